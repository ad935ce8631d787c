"""A level whose manner new maps follow: what a prompt shows of it, and its style in words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from saberlm.infer.engine import MapRequest
from saberlm.infer.level_song import on_own_beats
from saberlm.infer.tasks import shown_reference
from saberlm.prompts.beatmap import DIFFICULTIES
from saberlm.prompts.context import Context
from saberlm.prompts.descriptors import style_of
from saberlm.prompts.errors import LevelError
from saberlm.prompts.header import Conditions
from saberlm.prompts.mapfile import read_level


@dataclass(frozen=True)
class Reference:
    """A level's difficulties by name, each as a prompt shows it and with its style."""

    difficulties: dict[str, tuple[Context, str | None]]

    @classmethod
    def of(cls, path: Path) -> Reference:
        """Reads a level; difficulties that cannot be followed are passed over where others can.

        Raises:
            ValueError: no level, or no Standard difficulty of it that can be followed.
        """
        level = read_level(path)
        found: dict[str, tuple[Context, str | None]] = {}
        problems: list[str] = []
        for difficulty in level.difficulties:
            if difficulty.name not in DIFFICULTIES:
                continue
            try:
                beatmap, bpm = on_own_beats(level, difficulty)
                context = shown_reference(beatmap, bpm)
            except ValueError as error:
                problems.append(f"{difficulty.name}: {error}")
                continue
            found[difficulty.name] = context, style_of(beatmap)
        if not found:
            raise LevelError(
                f"{path}: expected a Standard difficulty to follow, found"
                f" {'; '.join(problems) or 'none'}"
            )
        return cls(found)

    def near(self, name: str) -> tuple[Context, str | None]:
        """The difficulty of that name, or of the nearest (of two, the harder)."""
        place = DIFFICULTIES.index(name)
        order = sorted(
            self.difficulties,
            key=lambda one: (abs(DIFFICULTIES.index(one) - place), -DIFFICULTIES.index(one)),
        )
        return self.difficulties[order[0]]

    def styled(self, conditions: Conditions) -> Conditions:
        """Conditions with the reference's style, where none was asked."""
        if conditions.style is not None:
            return conditions
        return replace(conditions, style=self.near(conditions.difficulty or "Expert")[1])

    def shown(self, request: MapRequest) -> MapRequest:
        """A row that is shown the reference."""
        return replace(request, context=self.near(request.conditions.difficulty or "Expert")[0])
