"""Shifts of kinds: their tokens move alike, and nothing else does."""

import numpy as np
import pytest

from saberlm.infer.block_shift import BLOCKS, BlockShift
from saberlm.prompts import vocab as v


def test_a_kind_moves_by_its_nats_and_nothing_else_moves() -> None:
    before = np.random.default_rng(0).normal(size=v.OFFSETS["text"]).astype(np.float32)
    after = before.copy()
    BlockShift({"walls": 1.5, "lights": 0.5}).adjust(after, 0)
    moved = after - before
    for kind, nats in (("walls", 1.5), ("lights", 0.5)):
        for block in BLOCKS[kind]:
            own = v.block_range(block)
            assert moved[own.start : own.stop] == pytest.approx(nats, abs=1e-5)
            moved[own.start : own.stop] = 0
    assert not moved.any()


def test_other_kinds_are_refused() -> None:
    with pytest.raises(ValueError, match="expected kinds walls, lights, found 'notes'"):
        BlockShift({"notes": 1.0})
