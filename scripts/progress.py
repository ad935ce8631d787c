"""The bar on standard error while a song is mapped."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_FORMAT = "{desc}: {percentage:3.0f} %|{bar:40}| {elapsed}{postfix}"


@contextmanager
def mapping_progress() -> Iterator[Callable[[int, int], None]]:
    """Takes bars done and their number. What is shown is a share: every difficulty has bars of its
    own, and the lights have more, so their number is none that a person knows of the song."""
    from tqdm import tqdm

    from saberlm.infer.kernels import kept_on_disk
    from saberlm.infer.pace import Pace

    first = "mapping" if kept_on_disk() else "compiling for this processor, once, then mapping"
    with tqdm(desc=first, file=sys.stderr, bar_format=_FORMAT, total=1) as bar:
        pace = Pace()

        def advance(done: int, total: int) -> None:
            bar.total = total
            bar.set_description_str("mapping", refresh=False)
            pace.advance(done, total)
            if pace.seconds_left is not None:
                told = tqdm.format_interval(pace.seconds_left)
                bar.set_postfix_str(f"{told} left", refresh=False)
            bar.update(done - bar.n)

        yield advance
