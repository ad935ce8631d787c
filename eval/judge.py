"""One map judged by every metric of this room: what hurts, what it resembles, what it hears.

Conventions: the estimate's beat 0, the human map's beat 0 and frame 0 of the onset strength are one
moment; whoever judges lays them so. What needs a reference that is not given is None, and so is
what a map is too short for: no score is made up. The order is always reference, estimate inside
the metrics; here the map to judge comes first, as the one thing that has to be there.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np
import numpy.typing as npt

from saberlm.eval.copied import Copied, PatternIndex
from saberlm.eval.counts import ObjectCounts, count_objects
from saberlm.eval.critic import Critic, CriticReport
from saberlm.eval.fit import (
    HALF_TICK,
    DensityFit,
    EmphasisReport,
    RateFit,
    density_fit,
    emphasis,
    notes_per_second,
    rate_fit,
)
from saberlm.eval.lights import LightReport, light_report
from saberlm.eval.looks import Looks, looks_of
from saberlm.eval.objects import ObjectReference, ObjectUse, object_use
from saberlm.eval.playability import (
    ALL_RULES,
    WEIGHTS,
    PlayabilityReport,
    judge_playability,
    rule_key,
)
from saberlm.eval.playability_scene import FAULT, PlayabilityFinding, SetUp
from saberlm.eval.relations import Relations, relations_of
from saberlm.eval.structure import StructureFit, structure_fit
from saberlm.eval.style import StyleDistances, StyleReference, hand_distance, unique_windows
from saberlm.eval.swing_speed import SwingReport, swing_report
from saberlm.eval.timing import (
    AlignmentScore,
    TimingReport,
    check_strength,
    note_seconds,
    onset_alignment,
    timing_report,
)
from saberlm.prompts.beatmap import Beatmap
from saberlm.prompts.tempo import TempoMap
from saberlm.prompts.vanilla import vanilla

BAR_BEATS = 4
PEAK_SECONDS = 0.03
"""A heard onset is the strongest frame this far to either side."""


@dataclass(frozen=True)
class JudgedFinding:
    """A playability finding with its moment in seconds, its bar (from 1) and its weight.

    ``objects`` says what is concerned: ``{"kind", "color", "x", "y"}``, as far as it is known.
    """

    rule: str
    beat: float
    seconds: float
    bar: int
    weight: float
    message: str
    objects: tuple[dict[str, object], ...] = ()

    def to_dict(self) -> dict[str, object]:
        """The finding as plain JSON values."""
        return {**asdict(self), "objects": list(self.objects)}


@dataclass(frozen=True)
class Judgement:
    """A map's judgement; see each part's own class for its fields.

    Attributes:
        difficulty: Name in the files.
        counts: Objects, density, hands; of the vanilla map.
        playability: Findings by rule.
        findings: The same by weight, then beat.
        swings: Speed of the hands and how they turn.
        relations: How both hands go together, and how far a hand moves.
        objects: Use of arcs, chains, bombs and walls.
        objects_percentile: Share of human maps that use less of each.
        lights: The light show.
        looks: How its lamps go on from moment to moment.
        variety: Share of distinct 4-note windows; None with fewer than four moments.
        hands: Distance between the two hands' cells; None without one of them.
        timing: Against the human map.
        rate: Notes a second against those asked, or the human's.
        density: Density curve against the human's.
        structure: Self-similarity against the human's.
        style: Distances to the reference.
        sound: Note times against the onset strength.
        emphasis: Large gestures against loud onsets.
        copied: What stands in the training maps.
        critic: How human the learned critic finds it.
        left_out: What the unmodded game does not have and was not judged.
    """

    difficulty: str
    counts: ObjectCounts
    playability: PlayabilityReport
    findings: tuple[JudgedFinding, ...]
    swings: SwingReport
    relations: Relations
    objects: ObjectUse
    lights: LightReport
    looks: Looks
    variety: float | None
    hands: float | None
    timing: TimingReport | None = None
    rate: RateFit | None = None
    density: DensityFit | None = None
    structure: StructureFit | None = None
    style: StyleDistances | None = None
    sound: AlignmentScore | None = None
    emphasis: EmphasisReport | None = None
    objects_percentile: dict[str, float | None] | None = None
    copied: Copied | None = None
    critic: CriticReport | None = None
    left_out: dict[str, int] | None = None

    @property
    def per_100_notes(self) -> dict[str, float]:
        """Findings of each rule per 100 notes, by key."""
        rates = self.playability.per_100_notes.items()
        return {rule_key(rule): round(rate, 4) for rule, rate in rates}

    def _rates(self, *, faults: bool) -> float:
        """Findings per 100 notes of all rules that find faults, or of all that advise."""
        rates = self.per_100_notes.items()
        return sum(rate for rule, rate in rates if (WEIGHTS[rule] >= FAULT) is faults)

    def to_dict(self) -> dict[str, object]:
        """The judgement as plain JSON values; the keys stay."""
        parts = {
            "timing": self.timing,
            "rate": self.rate,
            "density": self.density,
            "structure": self.structure,
            "style": self.style,
            "sound": self.sound,
            "emphasis": self.emphasis,
            "copied": self.copied,
            "critic": self.critic,
        }
        return {
            "difficulty": self.difficulty,
            "counts": self.counts.to_dict(),
            "per_100_notes": self.per_100_notes,
            "findings": [one.to_dict() for one in self.findings],
            "swings": self.swings.to_dict(),
            "relations": self.relations.to_dict(),
            "objects": self.objects.to_dict(),
            "objects_percentile": self.objects_percentile,
            "lights": self.lights.to_dict(),
            "looks": self.looks.to_dict(),
            "variety": self.variety,
            "hands": self.hands,
            **{key: None if part is None else part.to_dict() for key, part in parts.items()},
            "left_out": self.left_out or {},
        }

    def metrics(self) -> dict[str, float | None]:
        """All figures that can be averaged over maps, flat; the keys stay."""
        found: dict[str, float | None] = {
            "notes": float(self.counts.notes),
            "nps": self.counts.nps,
            "doubles_share": self.counts.doubles_share,
            "red_share": self.counts.red_share,
            "cells": float(self.counts.cells),
            "directions": float(self.counts.distinct_directions),
            "variety": self.variety,
            "hands": self.hands,
            "lights_per_beat": self.lights.events_per_beat,
            "dark_bar_share": self.lights.dark_bar_share,
            "lights_on_notes": self.lights.lights_on_notes.share,
            "lights_on_onsets": None
            if self.lights.lights_on_onsets is None
            else self.lights.lights_on_onsets.share,
            "findings_per_100": self._rates(faults=True),
            "advice_per_100": self._rates(faults=False),
        }
        found |= self.swings.metrics() | self.relations.metrics() | self.looks.metrics()
        found |= {f"per_100:{rule}": rate for rule, rate in self.per_100_notes.items()}
        found |= {f"objects:{kind}": rate for kind, rate in self.objects.per_100_notes.items()}
        if self.objects_percentile is not None:
            rates = self.objects_percentile.items()
            found |= {f"objects_percentile:{kind}": share for kind, share in rates}
        if self.timing is not None:
            scores = self.timing.scores.items()
            found |= {f"f1@{window}": score.f1 for window, score in scores}
            found |= {f"precision@{window}": score.precision for window, score in scores}
            found |= {f"recall@{window}": score.recall for window, score in scores}
            found["count_ratio"] = self.timing.count_ratio
            error = self.timing.mean_error_seconds
            found["mean_error_ms"] = None if error is None else 1000 * error
        if self.rate is not None:
            found["nps_ratio"] = self.rate.ratio
        if self.density is not None:
            found["density_correlation"] = self.density.correlation
        if self.structure is not None:
            found["structure_correlation"] = self.structure.correlation
        if self.style is not None:
            found |= {f"style:{aspect}": one for aspect, one in self.style.to_dict().items()}
        if self.sound is not None:
            found["sound_z"] = self.sound.z
        if self.emphasis is not None:
            found["emphasis_doubles"] = self.emphasis.doubles.auc
            found["emphasis_high"] = self.emphasis.high_swings.auc
        if self.critic is not None:
            found["critic"] = self.critic.score
        if self.copied is not None:
            found["longest_copied_run"] = float(self.copied.longest_run)
            found["copied_share"] = self.copied.share_in_long_runs
        return found


def judge_map(
    beatmap: Beatmap,
    tempo: TempoMap,
    difficulty: str,
    *,
    human: Beatmap | None = None,
    human_tempo: TempoMap | None = None,
    asked_nps: float | None = None,
    strength: tuple[npt.ArrayLike, float] | None = None,
    reference: StyleReference | None = None,
    is_member: bool = False,
    objects: ObjectReference | None = None,
    patterns: PatternIndex | None = None,
    song: str | None = None,
    critic: Critic | None = None,
    set_up: SetUp | None = None,
) -> Judgement:
    """Judge one difficulty, a human's or ours.

    Args:
        beatmap: The map; what the unmodded game cannot play is left out and counted.
        tempo: Its tempo.
        difficulty: Its name in the files (``ExpertPlus``).
        human: The map to compare with, of the same song.
        human_tempo: Its tempo; needed with ``human``.
        asked_nps: Notes a second that were asked for; the human's where None.
        strength: (F,) onset strength of the sound, and its frames a second.
        reference: Human maps of the same difficulty to measure style against.
        is_member: The map is one of the reference's own.
        objects: Human maps of the same difficulty to measure the use of objects against.
        patterns: Maps to look for copies in.
        song: The song's key in ``patterns``, whose own maps are then not looked at.
        critic: The learned critic, to ask it too.
        set_up: Note speed and length of the song; what is not given is not judged.

    Raises:
        ValueError: An unknown difficulty, a human map without its tempo, or bad onset strength.
    """
    if (human is None) != (human_tempo is None):
        raise ValueError("expected a human map with its tempo, found one without the other")
    playable, left_out = vanilla(beatmap)
    playability = judge_playability(beatmap, tempo, difficulty, ALL_RULES, set_up)
    judged = Judgement(
        difficulty=difficulty,
        counts=count_objects(playable, tempo),
        playability=playability,
        findings=tuple(
            sorted(
                (_judged(one, tempo) for one in playability.findings),
                key=lambda one: (-one.weight, one.beat, one.rule),
            )
        ),
        swings=swing_report(playable, tempo),
        relations=relations_of(playable, tempo),
        objects=object_use(playable),
        lights=_lights(beatmap, playable, tempo, strength),
        looks=looks_of(beatmap),
        variety=unique_windows(playable, tempo),
        hands=hand_distance(playable),
        left_out=dict(left_out),
    )
    if human is not None and human_tempo is not None:
        judged = _beside(judged, playable, tempo, vanilla(human)[0], human_tempo, asked_nps)
    elif asked_nps is not None:
        judged = replace(judged, rate=rate_fit(notes_per_second(playable, tempo), asked_nps))
    if strength is not None:
        judged = replace(
            judged,
            sound=onset_alignment(note_seconds(playable, tempo), *strength),
            emphasis=emphasis(playable, tempo, *strength),
        )
    if reference is not None:
        found = reference.distances(playable, tempo, is_member=is_member)
        judged = replace(judged, style=found)
    if objects is not None:
        judged = replace(judged, objects_percentile=objects.percentiles(judged.objects))
    if patterns is not None:
        judged = replace(judged, copied=patterns.copied(playable, tempo, exclude=song))
    if critic is not None:
        judged = replace(judged, critic=critic.score(playable, tempo, difficulty))
    return judged


def bar_of(beat: float) -> int:
    """Number of the bar that a beat lies in, from 1."""
    return int((beat + HALF_TICK) // BAR_BEATS) + 1


def heard_onsets(strength: npt.ArrayLike, frame_rate: float) -> list[float]:
    """Times in seconds of the clear onsets of a sound: the strongest frame within `PEAK_SECONDS`
    to either side, more than a deviation above the mean.

    Raises:
        ValueError: As `check_strength`.
    """
    heard = check_strength(strength, frame_rate)
    reach = max(1, round(PEAK_SECONDS * frame_rate))
    if not len(heard):
        return []
    padded = np.pad(heard, reach, constant_values=-np.inf)
    highest = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).max(axis=1)
    peaks = (heard >= highest) & (heard > heard.mean() + heard.std())
    return [float(frame) / frame_rate for frame in np.flatnonzero(peaks)]


def _judged(finding: PlayabilityFinding, tempo: TempoMap) -> JudgedFinding:
    rule = rule_key(finding.rule)
    concerned: dict[str, object] = {}
    if finding.x is not None and finding.y is not None:
        kind = finding.kind or ("bomb" if finding.color is None else "note")
        concerned = {"kind": kind, "color": finding.color, "x": finding.x, "y": finding.y}
    elif finding.color is not None:
        concerned = {"kind": "swing", "color": finding.color}
    return JudgedFinding(
        rule,
        finding.beat,
        round(tempo.to_seconds(finding.beat), 4),
        bar_of(finding.beat),
        WEIGHTS[rule],
        finding.message,
        (concerned,) if concerned else (),
    )


def _lights(
    beatmap: Beatmap,
    playable: Beatmap,
    tempo: TempoMap,
    strength: tuple[npt.ArrayLike, float] | None,
) -> LightReport:
    """The lights, judged with the group lighting that the vanilla map has lost."""
    shown = replace(playable, group_lights=beatmap.group_lights)
    return light_report(shown, tempo, None if strength is None else heard_onsets(*strength))


def _beside(
    judged: Judgement,
    beatmap: Beatmap,
    tempo: TempoMap,
    human: Beatmap,
    human_tempo: TempoMap,
    asked_nps: float | None,
) -> Judgement:
    asked = notes_per_second(human, human_tempo) if asked_nps is None else asked_nps
    return replace(
        judged,
        timing=timing_report(note_seconds(human, human_tempo), note_seconds(beatmap, tempo)),
        rate=rate_fit(notes_per_second(beatmap, tempo), asked),
        density=density_fit(human, human_tempo, beatmap, tempo),
        structure=structure_fit(human, human_tempo, beatmap, tempo),
    )
