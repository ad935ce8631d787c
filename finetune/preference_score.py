"""How good a stretch of bars is, by the judge's findings and the learned critic.

Both are asked about the bars in question with the bars before them in view. Neither hears the song,
and a model can learn to please either: what a run gains by this measure has to be checked by others
(`saberlm.eval.style`, `saberlm.eval.timing`).
"""

from __future__ import annotations

from dataclasses import dataclass

from saberlm.eval.critic import Critic
from saberlm.eval.playability import ALL_RULES, WEIGHTS, judge_playability, rule_key
from saberlm.finetune.preferences import Bars, played
from saberlm.prompts import vocab as v
from saberlm.prompts.tempo import TempoMap

FAULT_PRICE = 10.0
"""Points for one weighted finding a note: with it the findings of human bars (0.1 to 0.2 a note)
weigh 1 to 2 points, those of a model without masks up to 8, about as the critic sets them apart."""
CRITIC_RANGE = (-8.0, 6.0)
"""Log-odds beyond these say nothing more."""


@dataclass(frozen=True)
class StretchScore:
    """A stretch judged.

    Attributes:
        value: The score, the higher the better.
        faults: Findings by weight, a note.
        critic: Mean log-odds of the bars being a human's.
        notes: Colour notes of the bars in question.
    """

    value: float
    faults: float
    critic: float
    notes: int


def score_stretch(
    prefix: Bars, bars: Bars, bpm: float, difficulty: str, critic: Critic
) -> StretchScore | None:
    """Judge bars after others.

    Args:
        prefix: tokens of the bars before.
        bars: tokens of the bars in question.
        bpm: tempo of the grid.
        difficulty: name in the files.
        critic: the learned critic.

    Returns:
        The score; None without notes, or where an arc crosses the border.
    """
    own = played(bars)
    if own is None or not own.color_notes:
        return None
    whole = played([*prefix, *bars])
    border = len(prefix) * v.BEATS_PER_SEGMENT - 0.5 / v.TICKS_PER_BEAT
    if whole is None:  # the prefix ends in an arc
        whole, border = own, -1.0
    tempo = TempoMap(bpm)
    report = judge_playability(whole, tempo, difficulty, ALL_RULES)
    weights = (WEIGHTS[rule_key(one.rule)] for one in report.findings if one.beat >= border)
    faults = sum(weights) / len(own.color_notes)
    odds = [b.log_odds for b in critic.score(whole, tempo, difficulty).bars if b.beat >= border]
    human = sum(odds) / len(odds) if odds else 0.0
    clipped = min(max(human, CRITIC_RANGE[0]), CRITIC_RANGE[1])
    return StretchScore(clipped - FAULT_PRICE * faults, faults, human, len(own.color_notes))
