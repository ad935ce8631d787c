"""Maps that need no model: what a judge must see through, and what a model has to beat.

Two are here: a note each half beat, and the strongest onsets on the quarter grid. Both hold the
same flow-following pattern: each hand alternates between a forehand and a backhand cut along one
line, so parity never breaks. Beat 0 is second 0; nothing is random.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from saberlm.eval.timing import Floats, check_strength
from saberlm.prompts.beatmap import NUM_COLUMNS, Beatmap, ColorNote, CutDirection, NoteColor
from saberlm.prompts.mirror import MIRRORED_DIRECTION

LEAD_SECONDS = 1.5
"""Nothing comes sooner, as ScoreSaber and BeatLeader ask (`beat-saber.md` 2.2, 2.3)."""
TAIL_SECONDS = 2.0
"""Nothing comes later than this before the song's end."""
STRENGTH_RATE = 22_050
STRENGTH_HOP = 256
BEATS_PER_PHRASE = 4
"""The line that the hands cut along changes with the bar."""
MAX_BEATS = 100_000

_D = CutDirection
_LINES = (
    ((2, 0, _D.DOWN), (2, 2, _D.UP)),
    ((2, 0, _D.DOWN_LEFT), (3, 2, _D.UP_RIGHT)),
    ((2, 0, _D.DOWN), (2, 2, _D.UP)),
    ((3, 0, _D.DOWN_RIGHT), (2, 2, _D.UP_LEFT)),
)
"""Column, row and direction of the right hand's forehand and backhand, by bar."""


def half_beat_map(bpm: float, seconds: float) -> Beatmap:
    """A note each half beat, the hands in turn, from the lead-in to the outro.

    Args:
        bpm: Beats a minute.
        seconds: Length of the song from beat 0.

    Raises:
        ValueError: The tempo is not a finite number above 0, or the song is absurdly long.
    """
    first, last = _span(bpm, seconds)
    return flowing_map([beat / 2 for beat in range(2 * first, 2 * last + 1)])


def onset_peak_map(
    strength: npt.ArrayLike,
    frame_rate: float,
    bpm: float,
    notes: int,
    *,
    doubles: int = 0,
    seconds: float | None = None,
) -> Beatmap:
    """The strongest onsets on the quarter grid, as many as asked; the loudest take both hands.

    Args:
        strength: (F,) onset strength, frame f speaking of second f / ``frame_rate``.
        frame_rate: Frames a second.
        bpm: Beats a minute.
        notes: Notes wanted, both of a double counted. Fewer come of a song that has fewer quarters.
        doubles: How many moments are to have a note of each hand.
        seconds: Length of the song from beat 0; the strength's by default.

    Raises:
        ValueError: Bad onset strength or tempo, or numbers that do not go together.
    """
    if not 0 <= 2 * doubles <= notes:
        raise ValueError(f"expected 0 to {notes // 2} doubles in {notes} notes, found {doubles}")
    heard = check_strength(strength, frame_rate)
    first, last = _span(bpm, len(heard) / frame_rate if seconds is None else seconds)
    beats = np.arange(4 * first, 4 * last + 1) / 4
    loudness = _at_beats(heard, frame_rate, beats, bpm)
    chosen = np.argsort(-loudness, kind="stable")[: notes - doubles]
    both = {float(beats[at]) for at in chosen[:doubles]}
    return flowing_map(np.sort(beats[chosen]).tolist(), both)


def flowing_map(beats: Sequence[float], doubles: Iterable[float] = ()) -> Beatmap:
    """Notes at the given beats that flow: the hands take turns, and each swings to and fro.

    Args:
        beats: Distinct moments in rising order, an eighth of a beat or less never apart.
        doubles: Those of them at which both hands play.

    Raises:
        ValueError: The beats do not rise by more than an eighth.
    """
    for before, after in pairwise(beats):
        if not after - before > 1 / 8 + 1 / 128:
            raise ValueError(
                f"expected beats more than an eighth apart, found {before:g} and {after:g}: "
                "notes so close would be one swing"
            )
    both = set(doubles)
    swings = [0, 0]
    turn = int(NoteColor.BLUE)
    notes = []
    for beat in beats:
        bar = int(beat // BEATS_PER_PHRASE)
        # Two slanted cuts at once would send the hands at each other.
        line = _LINES[0 if beat in both else bar % len(_LINES)]
        for hand in (NoteColor.RED, NoteColor.BLUE) if beat in both else (NoteColor(turn),):
            x, y, cut = line[swings[hand] % 2]
            direction = int(cut)
            if hand == NoteColor.RED:
                x, direction = NUM_COLUMNS - 1 - x, int(MIRRORED_DIRECTION[direction])
            notes.append(ColorNote(beat, x, y, int(hand), direction))
            swings[hand] += 1
        if beat not in both:
            turn = 1 - turn
    return Beatmap(color_notes=tuple(notes))


def onset_strength(samples: npt.NDArray[np.float32], sample_rate: int) -> tuple[Floats, float]:
    """Librosa's onset strength of a song, and its frames a second.

    Args:
        samples: (T,) mono samples.
        sample_rate: Samples a second.
    """
    import librosa  # here: it takes a second, and who brings a strength does not need it

    if sample_rate != STRENGTH_RATE:
        samples = librosa.resample(
            samples, orig_sr=sample_rate, target_sr=STRENGTH_RATE, res_type="soxr_qq"
        )
    curve = librosa.onset.onset_strength(y=samples, sr=STRENGTH_RATE, hop_length=STRENGTH_HOP)
    return np.asarray(curve, np.float64), STRENGTH_RATE / STRENGTH_HOP


def _span(bpm: float, seconds: float) -> tuple[int, int]:
    """First and last whole beat that may hold a note; the last is below the first if none may."""
    if not (np.isfinite(bpm) and bpm > 0 and np.isfinite(seconds)):
        raise ValueError(f"expected a tempo above 0 and a length, found {bpm} BPM, {seconds} s")
    first = int(np.ceil(LEAD_SECONDS * bpm / 60 - 1e-9))
    last = int(np.floor((seconds - TAIL_SECONDS) * bpm / 60 + 1e-9))
    if last > MAX_BEATS:
        raise ValueError(f"expected a song of at most {MAX_BEATS} beats, found {last}")
    return first, max(last, first - 1)


def _at_beats(heard: Floats, frame_rate: float, beats: Floats, bpm: float) -> Floats:
    """(B,) the strongest frame within an eighth of a beat, and 30 ms, of each beat."""
    reach = int(min(0.03, 60 / bpm / 8) * frame_rate)
    frames = np.rint(beats * 60 / bpm * frame_rate).astype(np.int64)
    around = frames[:, None] + np.arange(-reach, reach + 1)
    inside = (around >= 0) & (around < len(heard))
    if not len(heard):
        return np.zeros(len(beats))
    values = np.where(inside, heard[np.clip(around, 0, len(heard) - 1)], 0.0)
    loudest: Floats = values.max(axis=1)
    return loudest
