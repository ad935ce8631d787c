"""Imports without garbage collection."""

import gc

import pytest

from saberlm.infer.start import uncollected


def test_nothing_is_collected_meanwhile_nor_looked_at_again() -> None:
    gc.collect()
    before = gc.get_freeze_count()
    try:
        with uncollected():
            assert not gc.isenabled()
            kept = [[i] for i in range(1000)]
        assert gc.isenabled()
        assert gc.get_freeze_count() >= before + len(kept)
        assert not any(one is kept for one in gc.get_objects()), "left out of collections"
    finally:
        gc.unfreeze()


def test_who_collects_nothing_goes_on_so_and_a_fault_changes_nothing() -> None:
    gc.disable()
    try:
        with pytest.raises(ImportError), uncollected():
            raise ImportError
        assert not gc.isenabled()
    finally:
        gc.enable()
        gc.unfreeze()
