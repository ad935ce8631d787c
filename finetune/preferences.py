"""Preference pairs: two ways on from the same bars, one better than the other.

A pair is a window of a few bars and not a song: over thousands of tokens sums of log-probabilities
saturate, and which of them made the difference is lost. It is about play, so the lights are left
out. Its prompt is that of `saberlm.prompts.stream` for models without places for sound (header, the
bars before, the opening of the next), its two completions are the bars that follow. A pair says
which cached song its sound is of; the numbers of the sound are not in it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset

from saberlm.finetune.shards import DifficultyStream, SongShard
from saberlm.finetune.windows import HEADER_TOKENS
from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import Beatmap
from saberlm.prompts.context import split_lights
from saberlm.prompts.header import Conditions
from saberlm.prompts.snap import snap
from saberlm.prompts.stream import MapPrompt
from saberlm.prompts.tokens import decode, encode

PREFIX_BARS, COMPLETION_BARS = 8, 4
ASKED_RATING = 9
"""What `saberlm map` asks for."""
MAX_TOKENS = 896
"""Longer stretches are left out: a batch is as long as its longest row."""
FORMAT_NAME = "pairs.json"
_JUDGED_BLOCKS = (
    "note",
    "angle",
    "free",
    "chain",
    "chain_tail",
    "squish",
    "arc_end",
    "arc_start",
    "arc_direction",
    "multiplier",
    "anchor",
    "bomb",
    "wall",
    "wall_width",
    "wall_height",
)

Bars = Sequence[Sequence[int]]


def _judged_table() -> np.ndarray:
    table = np.zeros(v.VOCAB_SIZE, dtype=bool)
    for block in _JUDGED_BLOCKS:
        table[list(v.block_range(block))] = True
    return table


_JUDGED = _judged_table()


@dataclass(frozen=True)
class PreferencePair:
    """One pair, in TRL's shape and with what it takes to find its sound again.

    Attributes:
        prompt: Token ids of all that is given.
        chosen: Ids of the better bars.
        rejected: Ids of the worse ones.
        score_gap: By how much the first is better, in the source's own measure.
        source: Where the judgement comes from, of `saberlm.finetune.preference_data.SOURCES`.
        kind: More precisely, such as the corruption's name.
        when: The two differ on purpose in when something happens, so positions count.
        song: Key of the cached song.
        split: Of the song.
        difficulty: Name in the files.
        first_bar: Number in the song of the prompt's first bar.
        num_bars: Bars of prompt and completion together.
    """

    prompt: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]
    score_gap: float
    source: str
    kind: str
    when: bool
    song: str
    split: str
    difficulty: str
    first_bar: int
    num_bars: int


@dataclass(frozen=True)
class Stretch:
    """Where a pair lies: the bars before (given) and those to be preferred or not.

    Attributes:
        song: The cached song.
        stream: The human's map of one difficulty.
        first_bar: The first bar given.
        prefix_bars: How many are given.
        num_bars: These and the ones that differ.
    """

    song: SongShard
    stream: DifficultyStream
    first_bar: int
    prefix_bars: int = PREFIX_BARS
    num_bars: int = PREFIX_BARS + COMPLETION_BARS

    @property
    def difficulty(self) -> str:
        """Name in the files."""
        return self.stream.conditions.difficulty or "Expert"

    @property
    def split_bar(self) -> int:
        """Number in the song of the first bar that differs."""
        return self.first_bar + self.prefix_bars

    @property
    def end_bar(self) -> int:
        """One past the last bar."""
        return self.first_bar + self.num_bars

    @property
    def prefix(self) -> list[list[int]]:
        """Tokens of the bars that are given."""
        return [b.tolist() for b in self.stream.bars[self.first_bar : self.split_bar]]

    @property
    def human(self) -> list[list[int]]:
        """Tokens of the human's bars that follow."""
        return [b.tolist() for b in self.stream.bars[self.split_bar : self.end_bar]]


def for_play(song: SongShard) -> SongShard:
    """The song with its maps as pairs have them: without their lights."""

    def plain(stream: DifficultyStream) -> DifficultyStream:
        bars = tuple(np.array(split_lights(bar)[0], dtype=np.int16) for bar in stream.bars)
        return replace(stream, conditions=replace(stream.conditions, lights=False), bars=bars)

    return replace(song, difficulties=tuple(map(plain, song.difficulties)))


def asked(stream: DifficultyStream) -> Conditions:
    """What a user would have asked for to get such a map: the header of both sides of a pair."""
    told = stream.conditions
    return Conditions(
        difficulty=told.difficulty,
        nps=told.nps,
        bpm=told.bpm,
        rating=ASKED_RATING,
        lights=told.lights,
    )


def make_pair(
    at: Stretch,
    chosen: Bars,
    rejected: Bars,
    *,
    source: str,
    kind: str,
    score_gap: float,
    when: bool = False,
) -> PreferencePair:
    """A pair of two ways on at a stretch.

    Args:
        at: the stretch, of a song `for_play`.
        chosen: tokens of the better bars.
        rejected: tokens of the worse ones.
        source: see `PreferencePair`, as for the rest.
        kind: see there.
        score_gap: see there.
        when: see there.
    """
    prompt = MapPrompt(asked(at.stream), at.song.num_bars, audio=False)
    given = prompt.window(at.first_bar, at.prefix, [False] * at.prefix_bars, ends=False).ids
    given += prompt.bar(at.split_bar)

    def completion(bars: Bars) -> tuple[int, ...]:
        ids: list[int] = []
        for i, tokens in enumerate(bars):
            ids += prompt.bar(at.split_bar + i) if i else []
            ids += [int(token) for token in tokens] + [v.END_SEG]
        return tuple(ids)

    return PreferencePair(
        prompt=tuple(given),
        chosen=completion(chosen),
        rejected=completion(rejected),
        score_gap=float(score_gap),
        source=source,
        kind=kind,
        when=when,
        song=at.song.key,
        split=at.song.split,
        difficulty=at.difficulty,
        first_bar=at.first_bar,
        num_bars=at.num_bars,
    )


def completion_bars(ids: Sequence[int]) -> list[list[int]]:
    """The bars of a completion, what frames them left out."""
    bars: list[list[int]] = [[]]
    for token in ids:
        if token == v.SEG:
            bars.append([])
        elif token != v.END_SEG:
            bars[-1].append(int(token))
    return bars


def judged_mask(ids: Sequence[int], *, when: bool) -> list[int]:
    """Which tokens of a completion the preference is about (1) and which not (0).

    Notes and all that is played count, and so does the token after them, which says that no more
    comes at this tick: without it whatever makes a second note likelier counts for it and nothing
    against it. With ``when`` the positions of what is played count, too: else when something
    happens is the tower's to say (`saberlm.infer.hazard`).
    """
    tokens = np.asarray(ids, dtype=np.int64)
    played = _JUDGED[tokens]
    judged = played | np.append([False], played[:-1])[: len(tokens)]
    if when:
        at_tick = np.isin(tokens, list(v.block_range("position")))
        judged = judged | (at_tick & np.append(played[1:], False)[: len(tokens)])
    return [int(one) for one in judged]


def played(bars: Bars) -> Beatmap | None:
    """The objects of some bars by themselves, in beats from the first; None where an arc or the
    like crosses their border."""
    try:
        beatmap, dropped = decode(bars)
    except ValueError:
        return None
    return None if dropped else beatmap


def bars_of(beatmap: Beatmap, count: int) -> list[list[int]] | None:
    """Tokens of a beatmap of ``count`` bars; None if it does not fit into them."""
    bars = encode(snap(beatmap)[0])
    return None if len(bars) > count else bars + [[] for _ in range(count - len(bars))]


def num_notes(bars: Bars) -> int:
    """Colour notes in some bars."""
    notes = v.block_range("note")
    return sum(token in notes for bar in bars for token in bar)


def candidates(
    song: SongShard,
    stream: DifficultyStream,
    *,
    prefix_bars: int = PREFIX_BARS,
    num_bars: int = PREFIX_BARS + COMPLETION_BARS,
    least_notes: int = 6,
) -> list[Stretch]:
    """All stretches of a map that a pair can be made of: whole, with notes before and after the
    border and no arc over it, not at the song's end, within `MAX_TOKENS`."""
    out = []
    for first in range(max(0, stream.first_bar - 1), stream.last_bar + 2 - num_bars):
        at = Stretch(song, stream, first, prefix_bars, num_bars)
        length = HEADER_TOKENS + sum(2 + len(bar) for bar in stream.bars[first : at.end_bar])
        if at.end_bar >= song.num_bars or length > MAX_TOKENS:
            continue
        if num_notes(at.human) < least_notes:
            continue
        enough = not prefix_bars or num_notes(at.prefix) >= least_notes
        if enough and played(at.human) is not None:
            out.append(at)
    return out


def save_pairs(pairs: Sequence[PreferencePair], folder: Path) -> None:
    """Write pairs as a `datasets` folder, and the vocabulary they are in."""
    columns = {f.name: [getattr(p, f.name) for p in pairs] for f in fields(PreferencePair)}
    Dataset.from_dict(columns).save_to_disk(str(folder))
    (folder / FORMAT_NAME).write_text(json.dumps({"fingerprint": v.fingerprint()}) + "\n")


def load_pairs(folder: Path) -> list[PreferencePair]:
    """Read what `save_pairs` wrote.

    Raises:
        ValueError: no pairs there, or of another vocabulary.
    """
    about = folder / FORMAT_NAME
    if not about.is_file():
        raise ValueError(
            f"{folder}: expected preference pairs, found no {FORMAT_NAME}: run `saberlm data pairs`"
            " first"
        )
    found = json.loads(about.read_text())["fingerprint"]
    if found != v.fingerprint():
        raise ValueError(
            f"{folder}: expected pairs of vocabulary {v.fingerprint()}, found {found}: make them"
            " again"
        )
    rows: list[dict[str, Any]] = list(Dataset.load_from_disk(str(folder)))
    return [pair_of(row) for row in rows]


def pair_of(row: dict[str, Any]) -> PreferencePair:
    """A pair from a dataset's row."""
    ids = {name: tuple(row[name]) for name in ("prompt", "chosen", "rejected")}
    return PreferencePair(**{**row, **ids})
