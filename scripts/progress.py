"""The bar on standard error while a song is mapped."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_FORMAT = "{desc}: {percentage:3.0f} %|{bar:40}| {elapsed}, {remaining} left"


@contextmanager
def mapping_progress() -> Iterator[Callable[[int, int], None]]:
    """Takes bars done and their number. What is shown is a share: every difficulty has bars of its
    own, and the lights have more, so their number is none that a person knows of the song."""
    from tqdm import tqdm

    with tqdm(desc="mapping", file=sys.stderr, bar_format=_FORMAT, total=1) as bar:

        def advance(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield advance
