"""Style descriptors: words for how a map plays and looks, computed from the map itself.

BeatSaver's style tags are few and say little of the flow; these words are measured, so a map can be
asked for by them and judged by them. Each has a measure and a threshold. Where mappers' guides name
the pattern the measure follows their words (BSMG wiki, "Mapping: glossary and intermediate
mapping": streams, doubles, crossovers, sliders, tech); the thresholds are about the highest fifth
of the training maps (`saberlm.scripts.descriptor_table` prints it).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from saberlm.prompts.beatmap import Beatmap, ColorNote

MIN_ONSETS = 50
"""With fewer onsets a map has no style to speak of."""
_TICKS = 48
_ANGLES = (180, 0, 90, 270, 135, 225, 45, 315)
"""Degrees of the cut directions 0-7 (up, down, left, right, ...); only differences matter."""
_SLIDER_TICKS = 6
_UP_DOWN = (0, 1)


@dataclass(frozen=True)
class Descriptor:
    """A word, what it measures, and from (``above``) or up to which value it holds."""

    word: str
    measure: str
    threshold: float
    above: bool = True


DESCRIPTORS = (
    Descriptor("streams", "quick_steps", 0.25),
    Descriptor("doubles", "doubles", 0.36),
    Descriptor("tech", "turned_cuts", 0.30),
    Descriptor("wide", "outer_lanes", 0.50),
    Descriptor("vertical", "up_down_cuts", 0.78),
    Descriptor("crossovers", "crossed_notes", 0.24),
    Descriptor("sliders", "slider_notes", 0.06),
    Descriptor("jumps", "lane_jumps", 0.28),
    Descriptor("walls", "walls", 7.0),
    Descriptor("dense lights", "lights", 9.0),
    Descriptor("sparse lights", "lights", 1.8, above=False),
)
CHILL = "chill"
"""Hardly a step of a quarter beat, and not full of doubles."""
WORDS = (*(d.word for d in DESCRIPTORS), CHILL)
_CHILL_QUICK_STEPS = 0.05


def words_of(style: str | None) -> tuple[str, ...]:
    """The words of a header's style."""
    return tuple(word for part in (style or "").split(",") if (word := part.strip()))


def unknown_words(style: str | None) -> str | None:
    """What to tell a person of the words in a style that no map was ever described by; None where
    there is none of them."""
    strange = [word for word in words_of(style) if word not in WORDS]
    if not strange:
        return None
    told = []
    for word in strange:
        plain = word.casefold()
        near = [w for w in WORDS if plain in w] or difflib.get_close_matches(plain, WORDS, 1)
        told.append(repr(word) + (f" ({' or '.join(near)}?)" if near else ""))
    return (
        f"style: the model learnt no such word as {', '.join(told)}: it may do nothing; known are"
        f" {', '.join(WORDS)}"
    )


def descriptor_values(beatmap: Beatmap) -> dict[str, float]:
    """What the descriptors measure, on a map whose beats are the grid's (90-190 a minute).

    Returns:
        ``quick_steps``: share of steps between onsets of a quarter beat or less; ``doubles``: notes
        an onset over one; ``turned_cuts``: share of a hand's next cuts, up to a beat later and no
        slider, that turn by more than 45 degrees from the way straight back; ``outer_lanes``:
        share of notes in lanes 0 and 3; ``up_down_cuts``: share of cuts straight up or down;
        ``crossed_notes``: share of notes on
        the other hand's side; ``slider_notes``: share of notes up to an eighth of a beat after
        their hand's last; ``lane_jumps``: share of a hand's next notes, up to a beat later and no
        slider, two lanes away or more; ``walls``: for every 100 notes; ``lights``: light events a
        beat from the first note to the last, lit maps alone. Empty under `MIN_ONSETS` onsets.
    """
    notes = sorted(beatmap.color_notes, key=lambda n: n.beat)
    onsets = sorted({round(n.beat * _TICKS) for n in notes})
    if len(onsets) < MIN_ONSETS:
        return {}
    steps = [b - a for a, b in pairwise(onsets)]
    turned, cuts, sliders, jumps, moves = 0, 0, 0, 0, 0
    for color in (0, 1):
        hand = [n for n in notes if n.color == color]
        for a, b in pairwise(hand):
            gap = round((b.beat - a.beat) * _TICKS)
            if gap <= _SLIDER_TICKS:
                sliders += 1
                continue
            if gap <= _TICKS:
                moves += 1
                jumps += abs(b.x - a.x) >= 2
                turn = _turn(a, b)
                if turn is not None:
                    cuts += 1
                    turned += turn > 45
    count = len(notes)
    values = {
        "quick_steps": sum(step <= 12 for step in steps) / len(steps),
        "doubles": count / len(onsets) - 1,
        "turned_cuts": turned / max(cuts, 1),
        "outer_lanes": sum(n.x in (0, 3) for n in notes) / count,
        "up_down_cuts": sum(n.direction in _UP_DOWN for n in notes) / count,
        "crossed_notes": sum((n.x >= 2) == (n.color == 0) for n in notes) / count,
        "slider_notes": sliders / count,
        "lane_jumps": jumps / max(moves, 1),
        "walls": 100 * len(beatmap.obstacles) / count,
    }
    beats = notes[-1].beat - notes[0].beat
    if beatmap.lights and beats > 0:
        values["lights"] = len(beatmap.lights) / beats
    return values


def _turn(first: ColorNote, second: ColorNote) -> float | None:
    """Degrees between the second cut and the way straight back from the first; None with a dot."""
    if first.direction >= len(_ANGLES) or second.direction >= len(_ANGLES):
        return None
    difference = abs(_ANGLES[first.direction] + 180 - _ANGLES[second.direction]) % 360
    return min(difference, 360 - difference)


def words_for(values: Mapping[str, float]) -> tuple[str, ...]:
    """The words that hold for measured values, in the order of `WORDS`."""
    if not values:
        return ()
    words = [
        d.word
        for d in DESCRIPTORS
        if d.measure in values
        and (values[d.measure] >= d.threshold) == d.above
        and (d.above or values[d.measure] > 0)
    ]
    if values["quick_steps"] < _CHILL_QUICK_STEPS and "doubles" not in words:
        words.append(CHILL)
    return tuple(words)


def style_of(beatmap: Beatmap) -> str | None:
    """The header's style of a map: its words, comma-separated; None where none holds."""
    return ", ".join(words_for(descriptor_values(beatmap))) or None
