"""What Info.dat says of one difficulty, whichever version the file is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class DifficultyEntry:
    """A difficulty as Info.dat lists it, before its file is read; fields as in `Difficulty`.

    ``extra`` holds what else the entry says: custom data under ``"customData"``, unknown keys under
    their own names.
    """

    characteristic: str
    name: str
    njs: float
    offset: float
    filename: str
    lightshow_filename: str = ""
    environment_index: int = 0
    color_scheme_index: int = -1
    mappers: tuple[str, ...] = ()
    lighters: tuple[str, ...] = ()
    extra: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
