"""What preference training moved by the way, moved back.

Pairs are about notes (`saberlm.finetune.preferences`), but a LoRA that learns to avoid faults also
says fewer walls and lights than its model did. Which of them comes is left to it; how likely they
are at all is set back by some nats for the kind, which the LoRA's file carries
(`saberlm.scripts.export_preference --shift`; `finetune/EXPERIMENTS.md` 41).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from saberlm.prompts import vocab as v

BLOCKS: Mapping[str, tuple[str, ...]] = {"walls": ("wall",), "lights": ("boost", "light", "laser")}
"""The blocks of tokens that begin an object of a kind."""


class BlockShift:
    """Adds nats to kinds of tokens; a `saberlm.infer.row_sampler.LogitBias`.

    Args:
        nats: by the kinds of `BLOCKS`.

    Raises:
        ValueError: another kind.
    """

    def __init__(self, nats: Mapping[str, float]) -> None:
        if unknown := sorted(set(nats) - set(BLOCKS)):
            raise ValueError(f"shifts: expected kinds {', '.join(BLOCKS)}, found {unknown[0]!r}")
        self._nats = [
            (slice(tokens.start, tokens.stop), np.float32(one))
            for kind, one in nats.items()
            for tokens in map(v.block_range, BLOCKS[kind])
        ]

    def adjust(self, logits: npt.NDArray[np.float32], tick: int) -> None:
        """See `saberlm.infer.row_sampler.LogitBias`."""
        for block, nats in self._nats:
            logits[block] += nats

    def say(self, token: int, tick: int) -> None:
        """See `saberlm.infer.row_sampler.LogitBias`."""
