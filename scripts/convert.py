"""`saberlm convert LEVEL OUT [--version 2|3|4]`: a level into another version of the format."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from saberlm.prompts.convert import Conversion
    from saberlm.prompts.levelzip import LevelFiles


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("level", metavar="LEVEL", type=Path, help="a level's folder or zip")
    parser.add_argument(
        "output", metavar="OUT", type=Path, help="folder to write, or a zip if it ends in .zip"
    )
    parser.add_argument(
        "--version",
        type=int,
        choices=(2, 3, 4),
        default=3,
        help="2: v2.2; 3: v3.3 (default); 4: v4.1 with lightshow files and AudioData.dat",
    )
    parser.add_argument(
        "--skip-unreadable",
        action="store_true",
        help="leave out difficulties that cannot be read (default: write nothing)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def run(args: argparse.Namespace) -> int:
    """Convert and say what became of everything; anything that stops it leaves as an error."""
    import json

    from saberlm.prompts.convert import convert_level

    conversion = convert_level(
        args.level,
        args.output,
        version=args.version,
        skip_unreadable=args.skip_unreadable,
        measure_song=_measure_song,
    )
    if args.json:
        text = json.dumps(conversion.to_dict(), ensure_ascii=False, allow_nan=False)
    else:
        text = render(conversion)
    sys.stdout.write(text.encode("utf-8", "replace").decode("utf-8") + "\n")
    return 0


def render(conversion: Conversion) -> str:
    """The account as text for a terminal."""
    target = f"version {conversion.version}"
    lines = [f"{conversion.level} -> {conversion.output} ({target})"]
    lines += _counted("mended on reading", conversion.mended)
    lines += _counted(f"{target} cannot hold", conversion.lost)
    for one in conversion.difficulties:
        lines.append(
            f"{one.characteristic} {one.name} ({one.filename}, {one.version or 'no version'})"
        )
        lines += _counted("mended on reading", one.mended)
        lines += _counted("kept, though only mods can play it", one.kept)
        lines += _counted(f"{target} cannot hold", one.lost)
        lines += _counted("warning", one.warnings)
    lines += [f"left out {name}: {reason}" for name, reason in conversion.unread]
    unread = {name.lower() for name, _ in conversion.unread}
    others = [name for name in conversion.left_out if name.lower() not in unread]
    lines += [f"left out {name}: in a subfolder, or in the way of a new file" for name in others]
    lines.append(f"other files copied: {', '.join(conversion.copied) or 'none'}")
    return "\n".join(lines)


def _counted(title: str, counts: Mapping[str, int]) -> list[str]:
    return [f"  {title}: {what}: {count}" for what, count in sorted(counts.items())]


def _measure_song(files: LevelFiles, name: str) -> tuple[int, int] | None:
    """The song's samples and Hz; None, with a warning, where its header cannot be read."""
    import logging
    import tempfile

    from saberlm.adapter.audio import audio_info

    try:
        with tempfile.TemporaryDirectory(prefix="saberlm-") as folder:
            path = Path(folder) / Path(name).name
            path.write_bytes(files.read(name))
            info = audio_info(path)
    except ValueError as error:
        logging.getLogger(__name__).warning("%s", error)
        return None
    count = round(info.seconds * info.sample_rate)
    return (count, info.sample_rate) if count > 0 else None
