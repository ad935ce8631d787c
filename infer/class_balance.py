"""How often each class of something comes, held to shares, for `saberlm.infer.relation_balance` and
`saberlm.infer.hand_balance`.

    nats of class k = -strength * log((n_k / h_k + PRIOR) / (n + PRIOR))

n_k being how often the class came of late (older ones fade), n all of them and h_k the share
wanted.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

MEMORY, PRIOR = 64.0, 12.0
LEAST_SHARE = 0.01
"""Of any class: what hardly ever comes is no surplus when it comes once."""
MOST_LOSS, MOST_GAIN = 4.0, 0.5
"""Nats: what is rare is not forced, as something may stand against it."""

Floats = npt.NDArray[np.float32]


def kept_mass(before: Floats, after: Floats) -> np.float32:
    """What added to the logits ``after`` brings their chance back to that of ``before``; 0 where
    nothing has any."""
    top = before.max()
    if not np.isfinite(top):
        return np.float32(0)
    return np.float32(np.log(np.exp(before - top).sum() / np.exp(after - top).sum()))


class ClassBalance:
    """Holds classes to shares.

    Args:
        counts: by which they are wanted, ``(K,)``, 0 or more; all 0: nothing is held.
        strength: see the module.
        memory: what came counts less by 1/e after as many.
        prior: as many of the shares wanted are taken as having come.
        least: share of any class.
        most_loss: nats.
        most_gain: nats, of all classes or of each.

    Attributes:
        nats: what each class gains now, ``(K,)``.
    """

    def __init__(
        self,
        counts: npt.NDArray[np.floating],
        strength: float,
        *,
        memory: float = MEMORY,
        prior: float = PRIOR,
        least: float = LEAST_SHARE,
        most_loss: float = MOST_LOSS,
        most_gain: float | npt.NDArray[np.floating] = MOST_GAIN,
    ) -> None:
        floored = np.maximum(counts / max(float(counts.sum()), 1e-9), least)
        self._shares = floored / floored.sum()
        self._strength = strength if counts.sum() > 0 else 0.0
        self._came = np.zeros(len(counts))
        self._left = float(np.exp(-1 / memory))
        self._prior = prior
        self._bounds = -most_loss, most_gain
        self.nats: Floats = np.zeros(len(counts), np.float32)

    def say(self, which: int) -> None:
        """One of a class came."""
        self._came *= self._left
        self._came[which] += 1
        surplus = (self._came / self._shares + self._prior) / (self._came.sum() + self._prior)
        nats = -self._strength * np.log(surplus)
        self.nats = np.clip(nats, *self._bounds).astype(np.float32)
