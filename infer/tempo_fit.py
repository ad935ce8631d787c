"""Beat times to as few pieces of constant tempo as hold them.

A piecewise linear function through the beats' numbers and times: its joints lie on beats, where the
tempi of both sides meet, and no beat is further than a tolerance from its time. Among those with
the fewest pieces the one of least squared error is taken (dynamic programming over the joints'
places and heights). Knows nothing of sound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from saberlm.infer.tempo_estimate import TempoPiece

Floats = npt.NDArray[np.float64]

BEATS_A_BAR = 4
HOLD_SECONDS = 0.015
"""How far a piece's beats may lie from the beats that were found or given."""
_HEIGHTS = np.linspace(-0.8, 0.8, 7)
"""Places of a joint about its beat's time, in tolerances."""


@dataclass(frozen=True)
class FittedPieces:
    """A tempo that goes by pieces.

    Attributes:
        numbers: (K + 1,) numbers of the beats that pieces begin at, and of the last beat.
        seconds: (K + 1,) their times.
    """

    numbers: npt.NDArray[np.int64]
    seconds: Floats

    @property
    def bpms(self) -> Floats:
        """(K,) the pieces' tempi."""
        bpms: Floats = 60 * np.diff(self.numbers) / np.diff(self.seconds)
        return bpms

    def times(self, numbers: npt.ArrayLike) -> Floats:
        """Times of beats by number; before and after all pieces the outer tempi go on."""
        at = np.asarray(numbers, np.float64)
        piece = np.clip(np.searchsorted(self.numbers, at, side="right") - 1, 0, len(self.bpms) - 1)
        times: Floats = self.seconds[piece] + (at - self.numbers[piece]) * 60 / self.bpms[piece]
        return times

    def first_downbeat(self, downbeat: int) -> int:
        """The number of the downbeat in the song's first bar, or of an earlier one, before second
        0, where the tempo changes within that bar.

        Args:
            downbeat: number of any downbeat.
        """
        latest = math.ceil(-self.seconds[0] * self.bpms[0] / 60 - 1e-9) + BEATS_A_BAR - 1
        if len(self.bpms) > 1:
            latest = min(latest, int(self.numbers[1]) - 1)
        return latest - (latest - downbeat) % BEATS_A_BAR

    def changes(self) -> tuple[TempoPiece, ...]:
        """The pieces after the first."""
        return tuple(
            TempoPiece(float(seconds), float(bpm))
            for seconds, bpm in zip(self.seconds[1:-1], self.bpms[1:], strict=True)
        )


def fit_pieces(
    seconds: npt.ArrayLike,
    numbers: npt.ArrayLike | None = None,
    *,
    hold_seconds: float = HOLD_SECONDS,
    weights: npt.ArrayLike | None = None,
) -> FittedPieces:
    """The fewest pieces of constant tempo that hold beat times.

    Args:
        seconds: (N,) rising times of at least two beats.
        numbers: (N,) rising whole numbers of these beats, 0 to N - 1 when None; beats between them
            are unheard.
        hold_seconds: how far a beat may lie from its piece.
        weights: (N,) of the squared errors; 1 when None.

    Raises:
        ValueError: fewer than two beats, or times or numbers that do not rise.
    """
    times = np.asarray(seconds, np.float64)
    at = np.arange(len(times)) if numbers is None else np.asarray(numbers, np.int64)
    weight = np.ones(len(times)) if weights is None else np.asarray(weights, np.float64)
    if len(times) < 2 or not (np.diff(times) > 0).all() or not (np.diff(at) > 0).all():
        raise ValueError(
            f"expected the times of two beats or more in rising order, found {len(times)} beats:"
            " likely a list of something else, or one out of order"
        )
    return _Partition(times, at.astype(np.float64), weight, hold_seconds).best()


class _Partition:
    """The search: costs of reaching every beat at every height, piece after piece."""

    def __init__(self, times: Floats, at: Floats, weights: Floats, hold: float) -> None:
        self.times, self.at, self.hold = times, at, hold
        self.heights = _HEIGHTS * hold
        # a piece costs more than the errors of all beats together
        self.a_piece = 1.0 + float(weights.sum()) * hold**2
        columns = np.stack([weights, weights * at, weights * at**2, weights * times,
                            weights * at * times, weights * times**2])  # fmt: skip
        self.sums = np.concatenate([np.zeros((6, 1)), np.cumsum(columns, axis=1)], axis=1)

    def best(self) -> FittedPieces:
        count, heights = len(self.times), len(self.heights)
        cost = np.full((count, heights), np.inf)
        cost[0] = 0.0
        origin = np.zeros((count, heights), np.int64)
        for start in range(count - 1):
            for height in range(heights):
                if np.isfinite(cost[start, height]):
                    self._extend(start, height, cost, origin)
        path = [(count - 1, int(np.argmin(cost[-1])))]
        while path[-1][0]:
            path.append(divmod(int(origin[path[-1]]), heights))
        rows = np.array(path[::-1])
        return FittedPieces(
            self.at[rows[:, 0]].astype(np.int64),
            self.times[rows[:, 0]] + self.heights[rows[:, 1]],
        )

    def _extend(self, start: int, height: int, cost: Floats, origin: npt.NDArray[np.int64]) -> None:
        """One piece from a joint to every later beat that it can reach."""
        begin = self.times[start] + self.heights[height]
        stop, block = len(self.times), 64
        low, high = -np.inf, np.inf
        first = start + 1
        while first < stop:  # block by block: most pieces end long before the song does
            rows = slice(first, min(stop, first + block))
            steps = self.at[rows] - self.at[start]
            gap = self.times[rows] - begin
            lows = np.maximum.accumulate(np.maximum((gap - self.hold) / steps, low))
            highs = np.minimum.accumulate(np.minimum((gap + self.hold) / steps, high))
            slopes = (gap[:, None] + self.heights) / steps[:, None]
            fits = (slopes >= lows[:, None]) & (slopes <= highs[:, None]) & (slopes > 0)
            total = cost[start, height] + self.a_piece + self._error(start, begin, rows, slopes)
            better = fits & (total < cost[rows])
            cost[rows][better] = total[better]
            origin[rows][better] = start * len(self.heights) + height
            low, high = lows[-1], highs[-1]
            if low > high:
                return
            first, block = rows.stop, block * 2

    def _error(self, start: int, begin: float, rows: slice, slopes: Floats) -> Floats:
        """Weighed squared error of the beats after ``start`` up to each row on lines from
        ``begin``."""
        sums = self.sums[:, rows.start + 1 : rows.stop + 1] - self.sums[:, [start + 1]]
        one, x, xx, y, xy, yy = (part[:, None] for part in sums)
        level = begin - slopes * self.at[start]
        error: Floats = (
            yy - 2 * level * y - 2 * slopes * xy
            + level**2 * one + 2 * level * slopes * x + slopes**2 * xx
        )  # fmt: skip
        return np.maximum(error, 0.0)


def beat_numbers(seconds: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """(N,) numbers of beats whose list may leave some out, from 0.

    An interval near a multiple of the usual one about it (the median of nine) counts as several.
    """
    gaps = np.diff(np.asarray(seconds, np.float64))
    around = np.pad(gaps, 4, mode="reflect") if len(gaps) > 4 else np.pad(gaps, 4, mode="edge")
    usual = np.median(np.lib.stride_tricks.sliding_window_view(around, 9), axis=1)
    ratio = gaps / usual
    steps = np.maximum(1, np.round(ratio))
    steps[np.abs(ratio - steps) > 0.1 * steps] = 1
    numbers: npt.NDArray[np.int64] = np.concatenate([[0], np.cumsum(steps)]).astype(np.int64)
    return numbers
