"""What the verbs that work on a level have in common: open it, work on it, write it, say what was
made."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saberlm.scripts.progress import mapping_progress
from saberlm.scripts.request_arguments import say_unknown_words

if TYPE_CHECKING:
    from saberlm.infer.level_editor import LevelEditor
    from saberlm.infer.level_edits import EditedLevel


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """The level, where the new one goes, and what is printed."""
    parser.add_argument("level", metavar="LEVEL", help="folder or zip, v2, v3 or v4")
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        required=True,
        help="level to write: a zip where it ends in .zip, else a folder",
    )
    parser.add_argument("--song", metavar="FILE", help="the level's song, where the level lacks it")
    parser.add_argument(
        "--overwrite", action="store_true", help="let -o be the level itself (the older is lost)"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object on standard output"
    )


def work_on_level(
    level: Path,
    output: str,
    fields: Mapping[str, Any],
    work: Callable[[LevelEditor], EditedLevel],
    *,
    song: str | None,
    args: argparse.Namespace,
) -> int:
    """Work on a level and write the result.

    Args:
        level: folder or zip.
        output: what to write.
        fields: of the request, as `saberlm.infer.level_request.LevelRequest.of` takes them.
        work: what is done.
        song: the level's song in a file of its own.
        args: model, device, ``overwrite`` and ``json``.

    Raises:
        ValueError: the level, the song or what is asked of them is at fault.
    """
    for path in (level, *([] if song is None else [Path(song)])):
        if not path.exists():  # said at once: what is imported below takes seconds
            what = "a level's folder or zip" if path == level else "a sound file"
            raise ValueError(f"{path}: expected {what}, found nothing there; is the path right?")

    from saberlm.infer.level_editor import LevelEditor
    from saberlm.infer.level_request import LevelRequest
    from saberlm.infer.mapper import Mapper
    from saberlm.infer.pack import check_writable
    from saberlm.prompts.level_edit import LevelDraft, check_output

    # everything that can be refused is refused before the long work
    out = Path(output)
    request = LevelRequest.of(song or level, **fields)
    check_output(level, out, overwrite=args.overwrite)
    check_writable(out)
    draft = LevelDraft(level)
    say_unknown_words(args.style, args.negative_style)
    mapper = Mapper.from_pretrained(args.model, lora=args.lora, device=args.device)
    with mapping_progress() as advance:
        editor = LevelEditor(mapper, draft, request, None if song is None else Path(song), advance)
        edited = work(editor)
    edited.save(out, overwrite=args.overwrite)
    for one in edited.difficulties:
        row = one.describe()
        print(f"{one.name}: {_made(row)}", file=sys.stderr)
        for what, count in one.counts.items():
            print(f"  {what}: {count}", file=sys.stderr)
    for warning in edited.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    for what, count in draft.lost.items():
        print(f"not as before: {what}: {count}", file=sys.stderr)
    print(f"wrote {out}; saberlm preview {out} plays it", file=sys.stderr)
    if args.json:
        summary = {
            "output": str(out),
            "seed": request.seed,
            "model": mapper.loaded.name,
            "difficulties": {one.name: one.describe() for one in edited.difficulties},
            "counts": {one.name: dict(one.counts) for one in edited.difficulties},
            "lost": dict(draft.lost),
            "warnings": list(edited.warnings),
            "seconds": {name: round(value, 3) for name, value in edited.seconds.items()},
        }
        print(json.dumps(summary))
    return 0


def _made(row: Mapping[str, Any]) -> str:
    """What was made of a difficulty, in words; kinds of which nothing came are left out."""
    rate = {"notes": f" ({row['nps']:.2f}/s)"}
    words = {"lights": "light events"}
    made = [
        f"{row[kind]} {words.get(kind, kind)}{rate.get(kind, '')}"
        for kind in ("notes", "bombs", "walls", "arcs", "chains", "lights")
        if row.get(kind)
    ]
    return f"{row['from']:.1f}-{row['to']:.1f} s: {', '.join(made) or 'nothing'} made"
