"""Beats of a song whose tempo may change: the path of best evidence through time and tempo.

Two stages of dynamic programming over the onset curve and, where there are, the beat network's
chances. The first lays blocks of two beats, each of one tempo, end to end; a change of tempo
between blocks costs more the greater it is, up to the price of a jump. The second moves single
beats by some hundredths of a second, and charges for steps whose lengths differ. Where nothing is
heard both go straight on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from numba import njit

from saberlm.infer.onsets import FPS, OnsetCurve

if TYPE_CHECKING:
    from saberlm.infer.beat_net import BeatActivations

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

EARLY_SECONDS = 0.003
"""A beat lies this much before the frame where the curve rises most: 2 ms in made-up songs, 5 ms in
human maps (`saberlm.infer.tempo_phase`)."""
SLOWEST, FASTEST = 0.77, 1.30
"""Tempi that are followed, in shares of the steady reading: 3:4 and 4:3, by which a tracker
mistakes one pulse for another, lie outside."""
BLOCK_BEATS = 2
LOW_WEIGHT, NET_WEIGHT, HALF_WEIGHT = 0.6, 0.7, 0.35
STEP_COST, JUMP_COST = 0.3, 6.0  # of a block longer or shorter by a frame more; of any change
FREE_STEP_COST = 0.15  # of a block longer or shorter by one frame, as uneven lengths demand
NUDGE_FRAMES = 10
BEND_COST, KINK_COST = 0.3, 6.0  # of neighbouring steps that differ by a frame; of any difference
_REACH = int(JUMP_COST / STEP_COST)  # a greater step costs as much as a jump
_SMOOTH_FRAMES = 1.4
_MEAN_SECONDS = 3.0


def beat_evidence(activations: BeatActivations | None, curve: OnsetCurve) -> Floats:
    """(F,) how much each frame of the curve speaks for a beat: 0 on average over any 3 s, a clear
    beat 2 to 4."""
    total = _scaled(np.sqrt(curve.full)) + LOW_WEIGHT * _scaled(np.sqrt(curve.low))
    if activations is not None:
        at = np.arange(len(activations.beat)) / activations.fps
        heard = np.interp(curve.times, at, activations.beat.astype(np.float64))
        total += NET_WEIGHT * _scaled(heard)
    return _scaled(total)


def _scaled(values: npt.NDArray[np.generic]) -> Floats:
    """Smoothed over 7 ms, centred over 3 s and brought to a deviation of 1, peaks cut at 4."""
    width = np.arange(-6, 7)
    kernel = np.exp(-0.5 * (width / _SMOOTH_FRAMES) ** 2)
    smooth = np.convolve(np.asarray(values, np.float64), kernel / kernel.sum(), "same")
    sums = np.concatenate([[0.0], np.cumsum(smooth)])
    half = round(_MEAN_SECONDS * FPS / 2)
    left = np.clip(np.arange(len(smooth)) - half, 0, len(smooth))
    right = np.clip(np.arange(len(smooth)) + half, 0, len(smooth))
    centred = smooth - (sums[right] - sums[left]) / np.maximum(1, right - left)
    scaled: Floats = np.minimum(centred / (centred.std() + 1e-9), 4.0)
    return scaled


def track_beats(evidence: Floats, bpm: float) -> Floats:
    """(N,) song times in seconds of the beats, a tempo near ``bpm`` being followed.

    Args:
        evidence: (F,) at ``FPS``, see `beat_evidence`.
        bpm: the song's tempo as a steady one; followed are 0.77 to 1.3 times it.
    """
    frames = _nudged(evidence, _lay_blocks(evidence, bpm))
    beats: Floats = frames / FPS - EARLY_SECONDS
    return beats


def _lay_blocks(evidence: Floats, bpm: float) -> Floats:
    """(N,) frames of beats along the best chain of blocks."""
    usual = BLOCK_BEATS * 60 / bpm * FPS
    lengths = np.arange(round(usual * SLOWEST), round(usual * FASTEST) + 1)
    count, num = len(evidence), len(lengths)
    # score of the block that *ends* at a frame: its beats after the first, and the halves between
    padded = np.concatenate([np.zeros(int(lengths[-1]) + 1), evidence])
    places = np.arange(1, 2 * BLOCK_BEATS + 1) / (2 * BLOCK_BEATS)
    weights = np.where(np.arange(1, 2 * BLOCK_BEATS + 1) % 2 == 0, 1.0, HALF_WEIGHT)
    best = np.zeros((count, num))  # of chains that end at a frame with a block of some length
    origin = np.full((count, num), -1, np.int16)
    leave = np.zeros((count, num))  # of chains that go on from a frame with a block of some length
    chunk = int(lengths[0])
    for start in range(0, count, chunk):
        rows = np.arange(start, min(count, start + chunk))
        before = rows[:, None] - lengths
        score = np.zeros((len(rows), num))
        for place, weight in zip(places, weights, strict=True):
            back = np.round(lengths * (1 - place)).astype(np.int64)
            score += weight * padded[rows[:, None] - back + int(lengths[-1]) + 1]
        chain = np.where(before >= 0, leave[np.maximum(before, 0), np.arange(num)], 0.0)
        best[rows] = chain + score * lengths / usual
        leave[rows], origin[rows] = _change(best[rows])
    ends = np.arange(max(0, count - int(lengths[-1])), count)
    place, column = np.unravel_index(int(np.argmax(best[ends])), (len(ends), num))
    at, length = int(ends[place]), int(column)
    frames = [float(at)]
    while at >= 0:
        at -= int(lengths[length])
        frames += [at + lengths[length] * (1 - k / BLOCK_BEATS) for k in range(1, BLOCK_BEATS + 1)]
        if at >= 0:
            length = int(origin[at, length])
    return np.array([frame for frame in frames[::-1] if frame >= 0])


@njit(cache=True, nogil=True)
def _change(best: Any) -> Any:
    """Best chains that go on with each length, and the lengths that they come from, of chains
    ``(rows, lengths)``; where two are as good, the one that changes least."""
    rows, num = best.shape
    leave = best.copy()
    origin = np.empty((rows, num), np.int16)
    for row in range(rows):
        here, there, came = best[row], leave[row], origin[row]
        top = 0
        for i in range(num):
            came[i] = i
            if here[i] > here[top]:
                top = i
        for step in range(1, _REACH + 1):
            cost = FREE_STEP_COST + STEP_COST * (step - 1)
            for i in range(step, num):
                better = here[i - step] - cost > there[i]
                there[i] = here[i - step] - cost if better else there[i]
                came[i] = i - step if better else came[i]
            for i in range(num - step):
                better = here[i + step] - cost > there[i]
                there[i] = here[i + step] - cost if better else there[i]
                came[i] = i + step if better else came[i]
        jumped = here[top] - JUMP_COST
        for i in range(num):
            if jumped > there[i]:
                there[i], came[i] = jumped, top
    return leave, origin


def _nudged(evidence: Floats, frames: Floats) -> Floats:
    """(N,) frames of the beats moved by ``NUDGE_FRAMES`` at most to where more is heard."""
    moves = np.arange(-NUDGE_FRAMES, NUDGE_FRAMES + 1)
    at = np.round(frames).astype(np.int64)
    places = at[:, None] + moves
    heard = np.where((places >= 0) & (places < len(evidence)),
                     evidence[np.clip(places, 0, len(evidence) - 1)], 0.0)  # fmt: skip
    if len(at) < 3:
        return frames
    num = len(moves)
    bends = moves[:, None, None] - 2 * moves[None, :, None] + moves[None, None, :]
    # best[j, k]: the last two beats moved by j and k
    best = heard[0][:, None] + heard[1]
    origin = np.zeros((len(at), num, num), np.int8)
    for beat in range(2, len(at)):
        bend = np.abs(bends + (at[beat - 2] - 2 * at[beat - 1] + at[beat]))
        cost = np.minimum(BEND_COST * np.maximum(0, bend - 1) + 0.1 * (bend > 0), KINK_COST)
        total = best[:, :, None] - cost
        origin[beat] = np.argmax(total, axis=0)
        best = total.max(axis=0) + heard[beat]
    one, two = np.unravel_index(int(np.argmax(best)), best.shape)
    chosen = [int(two), int(one)]
    for beat in range(len(at) - 1, 1, -1):
        chosen.append(int(origin[beat, chosen[-1], chosen[-2]]))
    nudged: Floats = (at + moves[np.array(chosen[::-1])]).astype(np.float64)
    # between frames: the top of a parabola
    here = np.clip(nudged.astype(np.int64), 1, len(evidence) - 2)
    left, middle, right = evidence[here - 1], evidence[here], evidence[here + 1]
    curved = 2 * middle - left - right
    top = np.where((curved > 1e-6) & (middle >= left) & (middle >= right),
                   0.5 * (right - left) / np.maximum(curved, 1e-6), 0.0)  # fmt: skip
    return nudged + np.clip(top, -0.5, 0.5)
