"""What vLLM loads at its start (entry point ``vllm.general_plugins``), and the desk at which the
engine and vLLM meet.

vLLM runs in the engine's process. The engine lays down a model's weights and its rows; vLLM's side
(`saberlm.infer.vllm_model`) takes the weights, asks each row what it says to the decoder's logits
and what is fed to the decoder for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

Floats = npt.NDArray[np.float32]

ARCHITECTURE = "SaberLlamaForCausalLM"
LOAD_FORMAT = "saberlm"
ROW_ARGUMENT = "saberlm_row"
"""Of a request's ``extra_args``: the name of its row at the desk."""


class Feed(Protocol):
    """A row as vLLM sees it."""

    embedding: Floats | None
    """``(H,)`` of the token answered last, the sound of its tick added; None before the first."""

    def answer(self, logits: Floats) -> int:
        """The next token, from the logits ``(LIVE,)``, which may be changed."""


@dataclass
class Desk:
    """What an engine and its vLLM share.

    Args:
        weights: the decoder's and the head's by the names of a plain Llama.
        feeds: rows by the names that requests give.
        batch: the rows that run, by their places in vLLM's batch; vLLM's side keeps it.
    """

    weights: Callable[[], Iterable[tuple[str, Tensor]]]
    feeds: dict[str, Feed] = field(default_factory=dict)
    batch: dict[int, Feed] = field(default_factory=dict)


DESKS: dict[str, Desk] = {}
"""By the folder that vLLM was given as its model."""


def register() -> None:
    """Make the model known to vLLM; called in each of its processes."""
    from vllm import ModelRegistry

    if ARCHITECTURE not in ModelRegistry.get_supported_archs():
        ModelRegistry.register_model(ARCHITECTURE, "saberlm.infer.vllm_model:SaberLlama")
