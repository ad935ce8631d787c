"""The pace of hands: no hand is hurried more than mappers of such maps hurry theirs.

The rhythm is planned without hands, and the decoder, which sees ticks and no seconds, gives the
next note to the hand that has just swung about as often in a fast song as in a slow one. Mappers do
not: at 4 notes a second one swing in a hundred of theirs is faster than some 170 eBPM
(`saberlm.eval.swing_speed`), however fast the song. So a hand that would have to swing faster is
less likely to get the note:

    nats of a hand's notes = -strength * max(0, log(eBPM / usual eBPM))

the usual eBPM following the difficulty and the notes/s (`usual_ebpm`). That there is a note stays
as likely as it was. A second hand at one moment costs what it is hurried more than the first is;
and where the next moment of the plan follows so soon that the hand, left out, would have to play
that one, what it is hurried more by playing both.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from saberlm.eval.playability_swings import EBPM_SECONDS
from saberlm.infer.hands import HANDS, NOTES, SWING_TICKS, hand_of, share_out
from saberlm.prompts import vocab as v

USUAL_EBPM = {"Easy": 79.0, "Normal": 93.0, "Hard": 116.0, "Expert": 128.0, "ExpertPlus": 127.0}
"""eBPM of the fastest hundredth of a map's swings at 2 notes/s, and `PACE_POWER` how it grows with
them: least squares of logarithms over train maps
(``python -m saberlm.scripts.hand_pace_rates``)."""
PACE_POWER = 0.43
LEAST_NPS = 0.5
"""Below it a map is taken as this slow."""

Floats = npt.NDArray[np.float32]


def usual_ebpm(difficulty: str, nps: float) -> float:
    """What a hand of a map is usually asked for at most; a difficulty without a figure counts as
    Expert."""
    base = USUAL_EBPM.get(difficulty, USUAL_EBPM["Expert"])
    return base * (max(nps, LEAST_NPS) / 2) ** PACE_POWER


class HandPace:
    """Spares the hand that would be hurried; a `saberlm.infer.row_sampler.LogitBias`.

    Args:
        usual: eBPM up to which nothing is done.
        bpm: of the row's grid.
        strength: see the module.
        planned: which ticks of the song get notes, ``(T,)``, read anew whenever asked; None: not
            known.
    """

    def __init__(
        self,
        usual: float,
        bpm: float,
        strength: float,
        planned: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        tick_seconds = 60 / (bpm * v.TICKS_PER_BEAT)
        ticks = np.arange(
            SWING_TICKS + 1, max(SWING_TICKS + 1, EBPM_SECONDS / usual / tick_seconds)
        )
        hurried = strength * np.log(EBPM_SECONDS / (ticks * tick_seconds) / usual)
        self._nats = np.concatenate([np.zeros(SWING_TICKS + 1), np.maximum(hurried, 0.0)])
        self._planned = planned
        self._last: list[int | None] = [None, None]  # tick of each hand's last note
        self._before: list[int | None] = [None, None]  # the same before the present moment
        self._tick = -1

    def adjust(self, logits: Floats, tick: int) -> None:
        """See `saberlm.infer.row_sampler.LogitBias`."""
        playing = [last == tick for last in self._last]
        if not any(playing):
            share_out(logits, [-self._cost(tick, last) for last in self._last])
        elif not all(playing):
            second = playing.index(False)
            first = self._cost(tick, self._before[1 - second])
            own = self._cost(tick, self._last[second])
            both = max(0.0, own - first) + self._hurry_after(tick, second)
            logits[HANDS[second]] -= np.float32(both)

    def say(self, token: int, tick: int) -> None:
        """See `saberlm.infer.row_sampler.LogitBias`."""
        if token not in NOTES:
            return
        if tick != self._tick:
            self._tick, self._before = tick, list(self._last)
        self._last[hand_of(token)] = tick

    def _cost(self, tick: int, last: int | None) -> float:
        """Nats that a swing of a hand costs at ``tick``, its last note at ``last``."""
        if last is None or tick - last >= len(self._nats):
            return 0.0
        return float(self._nats[tick - last])

    def _hurry_after(self, tick: int, second: int) -> float:
        """What playing both hands at ``tick`` costs at the next moment of the plan."""
        if self._planned is None:
            return 0.0
        soon = self._planned[tick + 1 : tick + len(self._nats)]
        if not soon.any():
            return 0.0
        following = tick + 1 + int(soon.argmax())
        spared = self._cost(following, self._last[second])
        return max(0.0, self._cost(following, tick) - spared)
