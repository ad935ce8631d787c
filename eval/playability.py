"""How playable a difficulty is: every rule's findings, counted per rule and per 100 notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from saberlm.eval.playability_hitbox import HITBOX_RULES
from saberlm.eval.playability_hung import HUNG_RULES
from saberlm.eval.playability_lights import LIGHT_RULES
from saberlm.eval.playability_rules import RULES
from saberlm.eval.playability_scene import PlayabilityFinding, PlayabilityRule, Scene, SetUp
from saberlm.eval.playability_setup import SET_UP_RULES
from saberlm.eval.playability_swings import SWING_RULES
from saberlm.eval.playability_walls import WALL_RULES
from saberlm.eval.swing import ParityReport
from saberlm.prompts.beatmap import DIFFICULTIES, Beatmap
from saberlm.prompts.tempo import TempoMap
from saberlm.prompts.vanilla import vanilla

ALL_RULES: tuple[PlayabilityRule, ...] = (
    *RULES,
    *SWING_RULES,
    *HITBOX_RULES,
    *WALL_RULES,
    *HUNG_RULES,
    *SET_UP_RULES,
    *LIGHT_RULES,
)
"""What the judge asks, in the order reports list it; the first seven the sampler's masks know."""


def rule_key(rule: str) -> str:
    """A rule's name as a key: ``vision block`` is ``vision_block``, ``parity break`` is
    ``parity``."""
    return "parity" if rule == "parity break" else rule.replace(" ", "_").replace("-", "_")


WEIGHTS = {rule_key(rule.name): rule.weight for rule in ALL_RULES}
"""Weight of every rule of the judge by its key; see `PlayabilityRule`."""


@dataclass(frozen=True)
class PlayabilityReport:
    """What the rules found in a difficulty.

    Attributes:
        notes: Colour notes judged.
        counts: Findings of each rule, 0 included, in the rules' order.
        findings: All findings by beat.
        parity: How both hands alternate.
        left_out: What the unmodded game does not have and was not judged, by reason.
    """

    notes: int
    counts: dict[str, int]
    findings: tuple[PlayabilityFinding, ...]
    parity: ParityReport
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """Findings of all rules."""
        return len(self.findings)

    @property
    def per_100_notes(self) -> dict[str, float]:
        """Findings of each rule per 100 colour notes; 0 without notes."""
        scale = 100.0 / self.notes if self.notes else 0.0
        return {rule: count * scale for rule, count in self.counts.items()}

    def to_dict(self) -> dict[str, object]:
        """The report as plain JSON values."""
        return {
            "total": self.total,
            "rules": {
                rule: {"count": self.counts[rule], "per_100_notes": round(rate, 3)}
                for rule, rate in self.per_100_notes.items()
            },
            "where": [one.to_dict() for one in self.findings],
            "left_out": dict(self.left_out),
        }


def judge_playability(
    beatmap: Beatmap,
    tempo: TempoMap,
    difficulty: str,
    rules: Sequence[PlayabilityRule] = RULES,
    set_up: SetUp | None = None,
) -> PlayabilityReport:
    """Judge a difficulty, a human's or ours, by the playability rules.

    Args:
        beatmap: The difficulty; what the unmodded game cannot play is left out first.
        tempo: Its beats in seconds.
        difficulty: Its name in the files (``ExpertPlus``); some rules are milder for beginners.
        rules: The rules to judge by; those that the sampler's masks know unless told.
        set_up: What the level says of note speed and song; rules about what is not known find
            nothing.

    Raises:
        ValueError: The difficulty's name is not one of the five.
    """
    if difficulty not in DIFFICULTIES:
        raise ValueError(
            f"difficulty: expected one of {', '.join(DIFFICULTIES)}, found {difficulty!r}: likely "
            "a display name such as Expert+"
        )
    playable, left_out = vanilla(beatmap)
    # Group lighting, which the vanilla map has lost, lights the stage all the same.
    shown = replace(playable, group_lights=beatmap.group_lights)
    scene = Scene(shown, tempo, difficulty, set_up)
    found = {rule.name: rule.find(scene) for rule in rules}
    everything = sorted((one for each in found.values() for one in each), key=_place)
    counts = {name: len(each) for name, each in found.items()}
    number = len(playable.color_notes)
    return PlayabilityReport(number, counts, tuple(everything), scene.parity, left_out)


def _place(finding: PlayabilityFinding) -> tuple[float, str]:
    return finding.beat, finding.rule
