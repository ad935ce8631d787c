"""A difficulty's judgement in a sentence or two, for people who read no tables."""

from __future__ import annotations

from saberlm.eval.judge import Judgement
from saberlm.eval.playability_scene import FAULT

HUMAN_FAULTS_PER_100 = 8.3
"""Faults per 100 notes of the 62 human maps that the README's table judges, their mean."""
LOW_PERCENTILE = 10.0


def verdict(judged: Judgement) -> str:
    """How it plays: faults against what human maps have, advice, and the critic's opinion."""
    notes = judged.counts.notes
    if not notes:
        return "No notes: a light show alone." if judged.lights.events else "Empty."
    faults = sum(finding.weight >= FAULT for finding in judged.findings)
    advice = len(judged.findings) - faults
    advised = f", {_counted(advice, 'piece')} of advice" if advice else ""
    said = [f"{_faults(faults, notes)}{advised}."]
    critic = judged.critic
    if critic is not None and critic.score is not None and critic.human_percentile is not None:
        share = critic.human_percentile
        said.append(
            "The critic takes it for machine-made."
            if share < LOW_PERCENTILE
            else f"The critic finds it more human than {share:.0f} % of human maps."
        )
    return " ".join(said)


def _faults(faults: int, notes: int) -> str:
    if not faults:
        return f"Plays cleanly: no faults in {notes} notes"
    rate = 100 * faults / notes
    return (
        f"{_counted(faults, 'fault')} in {notes} notes: {rate:.1f} per 100, where human maps have"
        f" {HUMAN_FAULTS_PER_100:g} on average"
    )


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'s' if count != 1 else ''}"
