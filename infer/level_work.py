"""What can be done to a level that is there, as one record: for whoever takes wishes off a page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from saberlm.infer.level_editor import LevelEditor
from saberlm.infer.level_edits import EditedLevel, Span
from saberlm.infer.level_request import LevelRequest
from saberlm.infer.mapper import Mapper
from saberlm.prompts.level_edit import LevelDraft

TASKS = ("range", "continue", "lights", "spread")


@dataclass(frozen=True)
class LevelWork:
    """A wish for a level.

    Args:
        level: its folder or zip.
        task: ``range`` (a stretch made anew, both sides fixed), ``continue`` (to the song's end),
            ``lights`` (a new show) or ``spread`` (the difficulties that it lacks).
        request: how the new parts are to be; see `saberlm.infer.level_editor.LevelEditor`.
        span: the stretch, as `saberlm.infer.level_edits.Span` reads it.
        new_lights: the stretch's lights are made anew, too.

    Raises:
        ValueError: no such task, or a range that cannot be read.
    """

    level: Path
    task: str
    request: LevelRequest
    span: str = ""
    new_lights: bool = False

    def __post_init__(self) -> None:
        """Refuse what means nothing; no file is opened."""
        if self.task not in TASKS:
            raise ValueError(f"task: expected {', '.join(TASKS)}, found {self.task!r}")
        if self.task == "range":
            Span.parse(self.span)

    def with_seed(self, seed: int) -> LevelWork:
        """The same wish, drawn otherwise."""
        return replace(self, request=replace(self.request, seed=seed))

    def run(self, mapper: Mapper, progress: Callable[[int, int], None]) -> EditedLevel:
        """Does it; ``progress`` is called with bars done and their number.

        Raises:
            ValueError: the level, its song or what is asked of them is at fault.
        """
        draft = LevelDraft(self.level)
        editor = LevelEditor(mapper, draft, self.request, None, progress)
        if self.task == "range":
            return editor.remap(Span.parse(self.span), new_lights=self.new_lights)
        if self.task == "continue":
            return editor.go_on()
        return editor.light() if self.task == "lights" else editor.spread()
