"""What ablations of the tower and of the decoder share: songs, budgets, and runs on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from saberlm.finetune.shards import SongShard


@dataclass(frozen=True)
class Split:
    """Songs to learn from and songs to report."""

    train: Sequence[SongShard]
    valid: Sequence[SongShard]


@dataclass(frozen=True)
class SmallBudget:
    """What every run gets, of either part."""

    songs: int = 48
    steps: int = 200
    batch_size: int = 4
    learning_rate: float = 2e-3


@dataclass(frozen=True)
class SmallRun:
    """What one run came to; ``train_loss`` is the mean over its steps."""

    variant: str
    seed: int
    budget: dict[str, Any]
    weights: int
    cpu_seconds: float
    train_loss: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        """What `to_json` made.

        Raises:
            ValueError: other fields.
        """
        try:
            return cls(**cls.values(row))
        except (TypeError, KeyError) as error:
            raise ValueError(f"expected a run of ablate, found {sorted(row)}: {error}") from None

    @classmethod
    def values(cls, row: dict[str, Any]) -> dict[str, Any]:
        """The fields' values of JSON ones."""
        return row
