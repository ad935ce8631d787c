"""Work on human levels, checked: is the human's part untouched, and how good is the new part?

``python -m saberlm.scripts.check_edits MAPS --out OUT [--n 3] [--seed 0]``: from n held-out levels
each verb makes a level (lights, the end continued, a quarter made anew, the missing difficulties, a
new map that follows the next level as reference; new maps with bombs and walls none, low and
high). The human's objects and files are compared with the originals, and the judge's numbers for
the new part stand beside those for the human's own part there. Levels and ``rows.jsonl`` go to OUT;
what is in it already is not done again.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from saberlm.prompts.beatmap import Beatmap

CUT_AT = 0.6
"""Share of its notes that an unfinished level keeps."""
REMAPPED = (0.4, 0.65)
"""Shares of the song between which a map is made anew."""
COLUMNS = (
    "task", "song", "difficulty", "untouched", "new_errors", "notes", "bombs", "walls", "nps",
    "findings", "parity", "critic", "f1_50", "lights_a_beat", "human_notes", "human_bombs",
    "human_walls", "human_findings", "human_parity", "human_critic", "human_lights_a_beat",
)  # fmt: skip


class _Human(NamedTuple):
    """A human level as a zip with its song, its hardest difficulty and what its song lasts."""

    key: str
    path: Path
    song: Path
    hardest: str
    seconds: float


def main(argv: list[str] | None = None) -> int:
    """Print a table; exit code 1 where something of a human's was touched."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("maps", type=Path, metavar="MAPS", help="a folder of maps with a manifest")
    parser.add_argument("--out", type=Path, required=True, help="folder for levels and rows")
    parser.add_argument("--n", type=int, default=3, help="levels (default 3)")
    parser.add_argument("--seed", type=int, default=0, help="which levels, and of the maps")
    parser.add_argument("--split", default="valid")
    parser.add_argument("--model", default="nano", metavar="NAME|DIR")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    humans = list(_humans(args))
    written = args.out / "rows.jsonl"
    lines = written.read_text().splitlines() if written.exists() else []
    rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
    done = {(row["task"], row["song"]) for row in rows}
    tasks = {"lights": _lights, "continue": _go_on, "remap": _remap, "spread": _spread,
             "reference": _reference, "dials": _dials}  # fmt: skip
    for i, human in enumerate(humans):
        for task, work in tasks.items():
            if (task, human.key) in done:
                continue
            new = work(args, human, humans[(i + 1) % len(humans)])
            new = [{"task": task, "song": human.key, **row} for row in new]
            with written.open("a") as out:
                out.writelines(json.dumps(row) + "\n" for row in new)
            rows += new
    print("| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|")
    for row in sorted(rows, key=lambda row: list(tasks).index(row["task"])):
        print("| " + " | ".join(_shown(row.get(name)) for name in COLUMNS) + " |")
    return 0 if all(row["untouched"] is not False for row in rows) else 1


def _humans(args: argparse.Namespace) -> Iterator[_Human]:
    """The levels, each packed with its song and a file that no game knows."""
    from saberlm.adapter.audio import audio_info
    from saberlm.finetune.sources import find_sources
    from saberlm.infer.pack import ENVIRONMENTS
    from saberlm.prompts.levelzip import open_level_files, write_zip
    from saberlm.prompts.mapfile import read_level

    sources = [one for one in find_sources(args.maps, args.out / "maps") if one.audio is not None]
    sources = [one for one in sources if one.split == args.split]
    random.Random(args.seed).shuffle(sources)
    found = 0
    for source in sources:
        if found == args.n:
            return
        level = read_level(source.level)
        if not level.difficulties or level.info.environment not in ENVIRONMENTS:
            continue
        files = open_level_files(source.level)
        contents: dict[str, bytes | Path] = {name: files.read(name) for name in files.names()}
        assert source.audio is not None
        contents[level.info.audio_filename] = source.audio
        contents["notes to self.bin"] = bytes(range(256))
        path = args.out / f"{source.key}.zip"
        write_zip(path, contents)
        hardest = max(level.difficulties, key=lambda one: len(one.beatmap.color_notes)).name
        found += 1
        seconds = audio_info(source.audio).seconds
        yield _Human(source.key, path, source.audio, hardest, seconds)


def _run(args: argparse.Namespace, *words: object) -> dict[str, Any]:
    """A verb's JSON object.

    Raises:
        RuntimeError: it failed.
    """
    from saberlm.scripts.cli import main as saberlm

    printed = io.StringIO()
    every = ["--json", "--seed", args.seed, "--model", args.model]
    with contextlib.redirect_stdout(printed):
        code = saberlm([str(word) for word in (*words, *every)])
    if code:
        raise RuntimeError(f"saberlm {' '.join(map(str, words))} ended with {code}")
    summary: dict[str, Any] = json.loads(printed.getvalue())
    return summary


def _lights(args: argparse.Namespace, human: _Human, _: _Human) -> list[dict[str, Any]]:
    out = args.out / f"{human.key}_lights.zip"
    made = _run(args, "lights", human.path, "-o", out)
    return _rows(human.path, human.path, out, made["difficulties"], replaced=("lights", "boosts"))


def _remap(args: argparse.Namespace, human: _Human, _: _Human) -> list[dict[str, Any]]:
    out = args.out / f"{human.key}_remap.zip"
    start, end = (share * human.seconds for share in REMAPPED)
    span = f"{start:.2f}-{end:.2f}s"
    words = ("--from-level", human.path, "--range", span, "-d", human.hardest)
    made = _run(args, "map", *words, "-o", out)
    return _rows(human.path, human.path, out, made["difficulties"])


def _go_on(args: argparse.Namespace, human: _Human, _: _Human) -> list[dict[str, Any]]:
    """An unfinished level is made of the human's, and continued."""
    from saberlm.prompts.difficulty_edit import CHANGEABLE, Change
    from saberlm.prompts.level_edit import LevelDraft

    cut = args.out / f"{human.key}_cut.zip"
    draft = LevelDraft(human.path)
    for difficulty in draft.level.difficulties:
        if (difficulty.characteristic, difficulty.name) == ("Standard", human.hardest):
            beats = sorted(note.beat for note in difficulty.beatmap.color_notes)
            border = beats[int(CUT_AT * len(beats))]
            gone: dict[str, Any] = {
                name: tuple(
                    one
                    for one in getattr(difficulty.beatmap, name)
                    if getattr(one, "tail_beat", one.beat) > border
                )
                for name in CHANGEABLE
            }
            draft.change(difficulty, Change(Beatmap(**gone), Beatmap()))
    draft.save(cut)
    out = args.out / f"{human.key}_continue.zip"
    words = ("--from-level", cut, "--continue", "-d", human.hardest)
    made = _run(args, "map", *words, "-o", out)
    return _rows(cut, human.path, out, made["difficulties"])


def _spread(args: argparse.Namespace, human: _Human, _: _Human) -> list[dict[str, Any]]:
    """All that is missing; a full level has no row."""
    from saberlm.prompts.mapfile import read_level

    there = {one.name for one in read_level(human.path).difficulties}
    if len(there) == 5:
        return []
    out = args.out / f"{human.key}_spread.zip"
    made = _run(args, "spread", human.path, "-o", out)
    return _rows(human.path, human.path, out, made["difficulties"], new=True)


def _reference(args: argparse.Namespace, human: _Human, other: _Human) -> list[dict[str, Any]]:
    """A new map on the human's tempo; there is nothing to leave untouched."""
    out = args.out / f"{human.key}_reference.zip"
    words = ("--tempo-from", human.path, "--reference", other.path, "-d", human.hardest)
    made = _run(args, "map", human.song, *words, "-o", out)
    late = made["padding_seconds"]
    part = {human.hardest: {"from": 0.0, "to": human.seconds}}
    return _rows(None, human.path, out, part, late=late)


def _dials(args: argparse.Namespace, human: _Human, _: _Human) -> list[dict[str, Any]]:
    """New maps on the human's tempo, with as many bombs and walls as asked."""
    rows = []
    for amount in ("none", "low", "high"):
        out = args.out / f"{human.key}_{amount}.zip"
        words = ("--tempo-from", human.path, "-d", human.hardest, "--no-lights")
        made = _run(
            args, "map", human.song, *words, "--bombs", amount, "--walls", amount, "-o", out
        )
        part = {human.hardest: {"from": 0.0, "to": human.seconds}}
        (row,) = _rows(None, human.path, out, part, late=made["padding_seconds"])
        rows.append({**row, "difficulty": f"{human.hardest}, {amount}"})
    return rows


def _rows(
    before: Path | None,
    human: Path,
    after: Path,
    parts: dict[str, Any],
    *,
    replaced: tuple[str, ...] = (),
    new: bool = False,
    late: float = 0.0,
) -> list[dict[str, Any]]:
    """A row for each difficulty that was worked on.

    Args:
        before: the level as it was given to the verb; None: nothing was given.
        human: the human's own, to judge the same part of.
        after: the result.
        parts: by difficulty, song times ``from`` and ``to``.
        replaced: collections that may differ anywhere.
        new: the difficulties are additions.
        late: seconds by which the result's song is behind the human's.
    """
    from saberlm.eval.report import check_level
    from saberlm.eval.timing import timing_report

    report, human_report = check_level(after), check_level(human)
    untouched = None if before is None else _untouched(before, after, parts, replaced, new=new)
    known = {one.rule for one in human_report.errors}
    errors = sum(one.rule not in known for one in report.errors)
    rows = []
    for name, part in parts.items():
        row: dict[str, Any] = {"difficulty": name, "untouched": untouched, "new_errors": errors}
        row |= _judged(report, after, name, part["from"] + late, part["to"] + late)
        there = _judged(human_report, human, name, part["from"], part["to"])
        ours, theirs = row.pop("times"), there.pop("times", None)
        if theirs is not None:
            ours = [time - late for time in ours]
            row["f1_50"] = round(timing_report(theirs, ours).scores["50"].f1, 3)
        rows.append(row | {f"human_{key}": value for key, value in there.items()})
    return rows


def _judged(report: Any, path: Path, name: str, start: float, end: float) -> dict[str, Any]:
    """The judge's numbers of a stretch of a difficulty; empty where there is none."""
    from saberlm.prompts.mapfile import read_level
    from saberlm.prompts.tempo import TempoMap

    level = read_level(path)
    found = [one for one in report.difficulties if one.key == f"{name}Standard"]
    if not found:
        return {}
    judged = found[0].judgement
    beatmap = next(one.beatmap for one in level.difficulties if one.name == name)
    tempo = TempoMap(level.info.bpm, beatmap.bpm_events)

    def inside(beat: float) -> bool:
        return start - 1e-3 <= float(tempo.to_seconds(beat)) < end + 1e-3

    times = [float(tempo.to_seconds(n.beat)) for n in beatmap.color_notes if inside(n.beat)]
    findings = [one for one in judged.findings if inside(one.beat)]
    odds = [
        bar.log_odds for bar in (judged.critic.bars if judged.critic else ()) if inside(bar.beat)
    ]
    beats = float(tempo.to_beats(end)) - float(tempo.to_beats(start))
    per_100 = 100 / max(1, len(times))
    return {
        "times": times,
        "notes": len(times),
        "bombs": sum(inside(one.beat) for one in beatmap.bombs),
        "walls": sum(inside(one.beat) for one in beatmap.obstacles),
        "nps": round(len(times) / (end - start), 2),
        "findings": round(per_100 * sum(one.weight for one in findings), 2),
        "parity": sum(inside(beat) for beat, _ in judged.playability.parity.where),
        "critic": round(sum(odds) / len(odds), 2) if odds else None,
        "lights_a_beat": round(sum(inside(one.beat) for one in beatmap.lights) / beats, 2),
    }


def _untouched(
    before: Path, after: Path, parts: dict[str, Any], replaced: tuple[str, ...], *, new: bool
) -> bool:
    """Whether files of other difficulties and other files are equal byte for byte, and objects
    outside the part equal in every field."""
    from saberlm.prompts.difficulty_edit import CHANGEABLE
    from saberlm.prompts.mapfile import open_level_files, read_level
    from saberlm.prompts.tempo import TempoMap

    levels = [read_level(path, characteristic=None) for path in (before, after)]
    worked_on = set() if new else set(parts)
    own = {
        one.filename
        for one in levels[0].difficulties
        if one.name in worked_on and one.characteristic == "Standard"
    }
    files = [open_level_files(path) for path in (before, after)]
    for name in files[0].names():
        changes = name.lower() == "info.dat" or name in own
        if not changes and files[0].read(name) != files[1].read(name):
            return False
    later = {(one.characteristic, one.name): one for one in levels[1].difficulties}
    for difficulty in levels[0].difficulties:
        other = later.get((difficulty.characteristic, difficulty.name))
        if other is None:
            return False
        part = None if difficulty.filename not in own else parts[difficulty.name]
        tempo = TempoMap(levels[0].info.bpm, difficulty.beatmap.bpm_events)
        for name in CHANGEABLE:
            if part is not None and name in replaced:
                continue
            lists = [
                [
                    (one, one.extra)
                    for one in getattr(level.beatmap, name)
                    if part is None or replaced or not _within(one, tempo, part)
                ]
                for level in (difficulty, other)
            ]
            if lists[0] != lists[1]:
                return False
    return True


def _within(item: Any, tempo: Any, part: dict[str, float]) -> bool:
    """Whether an object, or an end of it, lies in the part."""
    ends = (item.beat, getattr(item, "tail_beat", item.beat))
    times = [float(tempo.to_seconds(beat)) for beat in ends]
    return any(part["from"] - 1e-3 <= time < part["to"] - 1e-3 for time in times)


def _shown(value: object) -> str:
    return "-" if value is None else str(value)


if __name__ == "__main__":
    sys.exit(main())
