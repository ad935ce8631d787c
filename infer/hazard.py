"""What the tower hears in a bar: chances of the next event and of notes, per tick.

From the onset head's chances per tick (a note; something else where no note) follows the chance
that the *next* event of the bar is at tick p: that tick's chance times that of silence before it.
`saberlm.infer.row_sampler` joins them with the decoder's.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def _log_sigmoid(x: Floats) -> Floats:
    out: Floats = -np.logaddexp(0.0, -x)
    return out


class BarHazard:
    """One bar's hazard.

    Args:
        onset_logits: ``(192, 2)``: a note starts; something else does, given no note.

    Attributes:
        moves: log-chance that the next event is at each of the 192 ticks, then that there is none
            before the bar ends, ``(193,)``.
        note_odds: log-odds of a note against something else at each tick, ``(192,)``.
    """

    def __init__(self, onset_logits: npt.NDArray[np.floating]) -> None:
        note, other = onset_logits.astype(np.float64).T
        silent = _log_sigmoid(-note) + _log_sigmoid(-other)
        event = np.log(np.maximum(-np.expm1(silent), 1e-12))
        before = np.concatenate([[0.0], np.cumsum(silent)])  # silence up to tick p
        self.moves = np.concatenate([event + before[:-1], before[-1:]])
        self.note_odds = _log_sigmoid(note) - (_log_sigmoid(-note) + _log_sigmoid(other))
