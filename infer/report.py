"""What a mapped song contains, as plain numbers for people and for ``--json``."""

from __future__ import annotations

from collections.abc import Mapping

from saberlm.eval.counts import count_objects
from saberlm.infer.njs import NoteJump
from saberlm.prompts.beatmap import Beatmap
from saberlm.prompts.tempo import TempoMap


def describe_difficulties(
    beatmaps: Mapping[str, Beatmap], tempo: TempoMap, note_jumps: Mapping[str, NoteJump]
) -> dict[str, dict[str, float | int]]:
    """Counts, notes a second (first note to last) and NJS by difficulty."""
    rows: dict[str, dict[str, float | int]] = {}
    for name, beatmap in beatmaps.items():
        rows[name] = {
            "notes": len(beatmap.color_notes),
            "bombs": len(beatmap.bombs),
            "walls": len(beatmap.obstacles),
            "arcs": len(beatmap.arcs),
            "chains": len(beatmap.chains),
            "lights": len(beatmap.lights) + len(beatmap.boosts),
            "nps": round(count_objects(beatmap, tempo).nps, 3),
            "njs": note_jumps[name].njs,
        }
    return rows
