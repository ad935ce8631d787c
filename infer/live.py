"""A map watched while it is made: an asynchronous iterator of its bars."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from saberlm.infer.engine import GeneratedMap
from saberlm.infer.given import GROUPS, SongGrid
from saberlm.infer.level_request import LevelRequest
from saberlm.infer.pipeline import to_beatmap
from saberlm.infer.rounds import HeardSong, OnBar
from saberlm.prompts.beatmap import Beatmap
from saberlm.prompts.context import merge_lights
from saberlm.prompts.vocab import BEATS_PER_SEGMENT

if TYPE_CHECKING:
    from saberlm.infer.mapper import MappedLevel

LIVE_BARS = 16
"""Bars before the newest that are looked back on, for the heads of arcs."""


@dataclass(frozen=True)
class LiveBar:
    """A bar as it is made.

    Attributes:
        difficulty: Its name.
        number: The model's bar, from 0.
        num_bars: Bars of the song.
        seconds: Song time where it begins.
        beatmap: What stands in it, in beats from the song's beat 0; an arc comes with the bar of
            its end.
    """

    difficulty: str
    number: int
    num_bars: int
    seconds: float
    beatmap: Beatmap


class LiveMap:
    """A song being mapped: ``async for bar in live`` gives its `LiveBar`s, then ``live.level`` the
    level. What goes wrong is raised there. Leaving the loop early ends the mapping.

    Args:
        request: what is asked.
        listen: a mapper's, as ``each``; both run in a thread, where the mapper does nothing else.
        each: see ``listen``.

    Raises:
        ValueError: candidates, or weak bars to be made anew.
    """

    def __init__(
        self,
        request: LevelRequest,
        listen: Callable[[LevelRequest], HeardSong],
        each: Callable[[list[HeardSong], OnBar], Iterator[tuple[int, MappedLevel]]],
    ) -> None:
        if request.candidates > 1 or request.redo_weak:
            raise ValueError(
                "expected one candidate and no weak bars made anew for a live map, found"
                f" {request.candidates} and {request.redo_weak}: no bar of these is the level's"
                " before the end"
            )
        self.request = request
        self._listen, self._each = listen, each
        self._level: MappedLevel | None = None

    @property
    def level(self) -> MappedLevel:
        """The level.

        Raises:
            RuntimeError: it is not there yet.
        """
        if self._level is None:
            raise RuntimeError("the level is there when all bars have come")
        return self._level

    async def __aiter__(self) -> AsyncIterator[LiveBar]:
        """The bars as they are made, those of several difficulties as they come; where there are
        lights, every bar once without and then again with them."""
        loop = asyncio.get_running_loop()
        bars: asyncio.Queue[LiveBar | None] = asyncio.Queue()
        left = threading.Event()

        def work() -> None:
            try:
                heard = self._listen(self.request)
                made: defaultdict[str, list[list[int]]] = defaultdict(list)

                def on_bar(_song: int, name: str, bar: int, tokens: list[int]) -> None:
                    if left.is_set():
                        raise _LeftError
                    if bar < len(made[name]):
                        made[name][bar] = merge_lights(made[name][bar], tokens)
                    else:
                        made[name].append(list(tokens))
                    one = live_bar(heard, name, made[name][: bar + 1])
                    loop.call_soon_threadsafe(bars.put_nowait, one)

                ((_, self._level),) = self._each([heard], on_bar)
            except _LeftError:
                return
            finally:
                loop.call_soon_threadsafe(bars.put_nowait, None)

        task = asyncio.create_task(asyncio.to_thread(work))
        try:
            while (bar := await bars.get()) is not None:
                yield bar
        finally:
            left.set()
            await task


class _LeftError(Exception):
    """Nobody watches any more."""


def live_bar(heard: HeardSong, name: str, made: Sequence[list[int]]) -> LiveBar:
    """The newest bar of those made so far.

    Args:
        heard: the song.
        name: the difficulty's.
        made: token ids of all its bars so far.
    """
    number, grid = len(made) - 1, SongGrid.of(heard.song, heard.encoding.num_bars)
    first = max(0, number - LIVE_BARS)
    near: list[list[int]] = [[] for _ in range(first)]
    whole, _ = to_beatmap(GeneratedMap([*near, *made[first:]]), heard.song)
    newest: dict[str, Any] = {
        group: tuple(
            item
            for item in getattr(whole, group)
            if grid.bar(item.tail_beat if group == "arcs" else item.beat) == number
        )
        for group in GROUPS
    }
    seconds = float(heard.song.seconds_of(np.array([number * BEATS_PER_SEGMENT]))[0])
    beatmap = Beatmap(**newest, bpm_events=whole.bpm_events)
    return LiveBar(name, number, heard.encoding.num_bars, seconds, beatmap)
