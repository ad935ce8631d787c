"""Control: what is asked of a model against what its maps hold, notes a second and style words.

Conventions: every map of a song shares the sound, the difficulty and the seed, and differs in what
was asked alone; differences are taken within a song, at the same scale of guidance. Intervals are
of means over songs (`saberlm.eval.bootstrap`). A word is judged by the measure that taught it
(`saberlm.prompts.descriptors`), and moves the right way where the measure goes to the side of its
threshold on which the word holds; an equal measure counts as not moved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

from saberlm.eval.bootstrap import Interval, mean_interval
from saberlm.prompts.descriptors import DESCRIPTORS, Descriptor

NEAR = 0.10
"""Notes a second this close to what was asked, as a share, count as near."""


@dataclass(frozen=True)
class ControlRow:
    """One map and what it was made from.

    Attributes:
        song: Name of the song.
        nps_asked: Notes a second, where they are what is tried; None in the rows of words.
        word: The style word that was asked for; None where none was.
        avoided: The word that guidance moved away from.
        scale: Of the guidance; 1 is none.
        notes: Colour notes of the map.
        nps: Notes a second from the first note to the last; None with fewer than two times.
        values: What `saberlm.prompts.descriptors.descriptor_values` measures; empty where the map
            is too short for a style.
    """

    song: str
    nps_asked: float | None
    word: str | None
    avoided: str | None
    scale: float
    notes: int
    nps: float | None
    values: Mapping[str, float]

    def to_dict(self) -> dict[str, object]:
        """The row as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class RateControl:
    """Maps that were asked for so many notes a second.

    Attributes:
        asked: Notes a second.
        got: What came.
        ratio: ``got / asked``.
        near: Share of songs within `NEAR` of what was asked; None without maps.
    """

    asked: float
    got: Interval
    ratio: Interval
    near: float | None


@dataclass(frozen=True)
class Move:
    """How a word moved its measure.

    Attributes:
        level: The measure with the word asked for, or avoided.
        move: The difference it makes within a song, at the same scale.
        right: Share of songs in which it moved the right way; None without songs.
    """

    level: Interval
    move: Interval
    right: float | None


@dataclass(frozen=True)
class WordControl:
    """A style word.

    Attributes:
        word: Its name.
        measure: What it measures.
        threshold: From which value (``above``), or up to which, a map has the word.
        above: Which of the two.
        without: The measure where nothing of style is asked, by the scale.
        asked: Where the word is asked for, by the scale.
        avoided: Where it is the negative style, by the scale.
    """

    word: str
    measure: str
    threshold: float
    above: bool
    without: Mapping[float, Interval]
    asked: Mapping[float, Move]
    avoided: Mapping[float, Move]


@dataclass(frozen=True)
class Control:
    """Everything that was measured.

    Attributes:
        about: Settings of the run.
        songs: Songs in it.
        rates: By notes a second asked, rising.
        rising: Share of the songs' steps from one rate asked to the next at which more notes came;
            None with fewer than two rates.
        words: In the order of the descriptors.
    """

    about: Mapping[str, object]
    songs: int
    rates: tuple[RateControl, ...]
    rising: float | None
    words: tuple[WordControl, ...]

    def to_dict(self) -> dict[str, object]:
        """Everything as plain JSON values."""
        return asdict(self)


def summarize(rows: Sequence[ControlRow], about: Mapping[str, object], seed: int = 0) -> Control:
    """Means, intervals and shares of a run's maps.

    Args:
        rows: All maps of all songs.
        about: Settings to carry along.
        seed: Of the bootstrap.
    """
    rates = sorted({row.nps_asked for row in rows if row.nps_asked is not None})
    words = {row.word or row.avoided for row in rows}
    return Control(
        about,
        len({row.song for row in rows}),
        tuple(_rate(rows, asked, seed) for asked in rates),
        _rising(rows, rates),
        tuple(_word(rows, one, seed) for one in DESCRIPTORS if one.word in words),
    )


def _rate(rows: Sequence[ControlRow], asked: float, seed: int) -> RateControl:
    got = {row.song: row.nps for row in rows if row.nps_asked == asked and row.nps is not None}
    ratios = {song: nps / asked for song, nps in got.items()}
    near = (
        sum(abs(ratio - 1) <= NEAR for ratio in ratios.values()) / len(ratios) if ratios else None
    )
    return RateControl(asked, _interval(got, seed), _interval(ratios, seed), near)


def _rising(rows: Sequence[ControlRow], rates: Sequence[float]) -> float | None:
    got = {(row.song, row.nps_asked): row.nps for row in rows if row.nps is not None}
    steps = []
    for song in {row.song for row in rows}:
        come = [got[song, asked] for asked in rates if (song, asked) in got]
        steps += [after > before for before, after in pairwise(come)]
    return sum(steps) / len(steps) if steps else None


def _word(rows: Sequence[ControlRow], one: Descriptor, seed: int) -> WordControl:
    def measured(is_kind: Callable[[ControlRow], bool], scale: float) -> dict[str, float]:
        return {
            row.song: row.values[one.measure]
            for row in rows
            if row.nps_asked is None
            and row.scale == scale
            and one.measure in row.values
            and is_kind(row)
        }

    def moves(is_kind: Callable[[ControlRow], bool], wanted: int) -> dict[float, Move]:
        out = {}
        for scale in sorted({row.scale for row in rows if row.nps_asked is None and is_kind(row)}):
            levels, before = measured(is_kind, scale), measured(_without_style, scale)
            steps = {song: levels[song] - before[song] for song in levels if song in before}
            right = [step * wanted > 0 for step in steps.values()]
            share = sum(right) / len(right) if right else None
            out[scale] = Move(_interval(levels, seed), _interval(steps, seed), share)
        return out

    upwards = 1 if one.above else -1
    scales = sorted({row.scale for row in rows if row.nps_asked is None and _without_style(row)})
    without = {scale: _interval(measured(_without_style, scale), seed) for scale in scales}
    return WordControl(
        one.word,
        one.measure,
        one.threshold,
        one.above,
        without,
        moves(lambda row: row.word == one.word, upwards),
        moves(lambda row: row.avoided == one.word, -upwards),
    )


def _without_style(row: ControlRow) -> bool:
    return row.word is None and row.avoided is None


def _interval(by_song: Mapping[str, float], seed: int) -> Interval:
    return mean_interval({song: [value] for song, value in by_song.items()}, seed)


def markdown(control: Control) -> str:
    """The run as two Markdown tables under a line that says what was run."""
    about = ", ".join(f"{name} {value}" for name, value in control.about.items())
    lines = [f"{control.songs} songs; {about}. Means with 95 % intervals by bootstrap over songs."]
    if control.rates:
        lines += ["", "| notes/s asked | got | got / asked | within 10 % |", "| --- " * 4 + "|"]
        lines += [
            f"| {one.asked:g} | {_text(one.got, 2)} | {_text(one.ratio, 2)} | {_share(one.near)} |"
            for one in control.rates
        ]
        if control.rising is not None:
            lines += [
                "",
                f"More notes come for more asked in {_share(control.rising)} of the steps.",
            ]
    if control.words:
        lines += [
            "",
            "| word | its measure (holds from) | guidance | not asked | asked | moved by"
            " | right way | avoided | moved by | right way |",
            "| --- " * 10 + "|",
        ]
        lines += [line for one in control.words for line in _word_lines(one)]
    return "\n".join(lines)


def _word_lines(one: WordControl) -> list[str]:
    holds = f"`{one.measure}` ({'' if one.above else 'up to '}{one.threshold:g})"
    return [
        f"| {one.word} | {holds} | {scale:g} | {_text(without)}"
        f" | {_move(one.asked.get(scale))} | {_move(one.avoided.get(scale))} |"
        for scale, without in one.without.items()
    ]


def _move(one: Move | None) -> str:
    if one is None:
        return "- | - | -"
    return f"{_text(one.level)} | {_text(one.move, signed=True)} | {_share(one.right)}"


def _text(one: Interval, digits: int = 3, *, signed: bool = False) -> str:
    if one.mean is None:
        return "-"
    sign = "+" if signed else ""
    mean = f"{one.mean:{sign}.{digits}f}"
    if one.low is None or one.high is None:
        return mean
    return f"{mean} [{one.low:{sign}.{digits}f}, {one.high:{sign}.{digits}f}]"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
