"""The bar on standard error while a song is mapped."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_FORMAT = "{desc}: {percentage:3.0f} %|{bar:40}| {elapsed}{postfix}"
_SETTLED = 0.05
"""Share of the work after which all is compiled: what is left is judged from there on."""


@contextmanager
def mapping_progress() -> Iterator[Callable[[int, int], None]]:
    """Takes bars done and their number. What is shown is a share: every difficulty has bars of its
    own, and the lights have more, so their number is none that a person knows of the song."""
    from tqdm import tqdm

    from saberlm.infer.kernels import kept_on_disk

    first = "mapping" if kept_on_disk() else "compiling for this processor, once, then mapping"
    with tqdm(desc=first, file=sys.stderr, bar_format=_FORMAT, total=1) as bar:
        settled: tuple[float, int] | None = None

        def advance(done: int, total: int) -> None:
            nonlocal settled
            bar.total = total
            bar.set_description_str("mapping", refresh=False)
            if settled is not None and done > settled[1]:
                left = (time.monotonic() - settled[0]) / (done - settled[1]) * (total - done)
                bar.set_postfix_str(f"{tqdm.format_interval(left)} left", refresh=False)
            elif settled is None and done >= _SETTLED * total:
                settled = time.monotonic(), done
            bar.update(done - bar.n)

        yield advance
