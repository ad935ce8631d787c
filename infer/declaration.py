"""What a level says of its maker: BeatSaver's terms ask that machine-made notes are declared, and
who opens the level later shall see which part is whose."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any


def program_version() -> str:
    """The installed version of saberlm."""
    try:
        return version("saberlm")
    except PackageNotFoundError:  # run from a folder that was never installed
        return "unknown"


def declared(
    custom_data: Mapping[str, Any], said: str, record: Mapping[str, Any], *, notes: bool
) -> dict[str, Any]:
    """A human's level's custom data with a note on what a machine did to it; all else stays.

    Args:
        custom_data: Info.dat's.
        said: what was made, in a sentence.
        record: the same for programs, as plain JSON values.
        notes: whether notes were made; lights alone need no declaration on BeatSaver.
    """
    editors = _dict(custom_data.get("_editors"))
    role = {"_role": "Automapper" if notes else "Automatic lighter", "_name": "saberlm",
            "_iconPath": ""}  # fmt: skip
    contributors = _list(custom_data.get("_contributors"))
    ours = _dict(custom_data.get("_saberlm"))
    return {
        **custom_data,
        "_editors": {**editors, "saberlm": {"version": program_version()}},
        "_contributors": [*contributors, *([] if role in contributors else [role])],
        "_information": [*_list(custom_data.get("_information")), said],
        "_saberlm": {
            **ours,
            **({"automapper": True} if notes else {}),
            "edits": [*_list(ours.get("edits")), dict(record)],
        },
    }


def _dict(found: object) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}


def _list(found: object) -> list[Any]:
    if isinstance(found, list):
        return found
    return [] if found is None else [found]
