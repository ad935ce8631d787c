"""Style of all maps of a system together, beside the distance that as many human maps have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from saberlm.eval.evaluation import HUMAN, StyleOfSet
from saberlm.eval.style import ASPECTS, StyleReference
from saberlm.finetune.held_out import HeldOutSong
from saberlm.prompts.beatmap import DIFFICULTIES, Beatmap
from saberlm.prompts.tempo import TempoMap
from saberlm.prompts.tokens import decode
from saberlm.scripts.evaluate_maps import KeptMaps

DRAWS = 20
"""Random sets of human maps that the yardstick is the mean of."""


def styles_of(
    out: Path,
    songs: Sequence[HeldOutSong],
    systems: Sequence[str],
    references: Mapping[str, StyleReference],
    seed: int,
) -> list[StyleOfSet]:
    """Each system's distance to the reference maps, difficulty by difficulty.

    Args:
        out: Folder of the run.
        songs: Those judged.
        systems: Names; the human maps come first, the baselines are passed over.
        references: The train maps by difficulty.
        seed: Of the random sets.
    """
    maps: dict[tuple[str, str], list[tuple[Beatmap, TempoMap]]] = {}
    for song in songs:
        for difficulty, system, beatmap in _maps_of(out, song, systems):
            maps.setdefault((difficulty, system), []).append((beatmap, song.tempo))
    found = []
    for (difficulty, system), made in sorted(
        maps.items(), key=lambda item: DIFFICULTIES.index(item[0][0])
    ):
        reference = references.get(difficulty)
        if reference is None or reference.maps < 2 * len(made):
            continue  # no yardstick: half of the reference is smaller than the set
        draws = [reference.halves(seed + i, size=len(made)).to_dict() for i in range(DRAWS)]
        yardstick = {}
        for aspect in ASPECTS:
            values = [one[aspect] for one in draws]
            known = [value for value in values if value is not None]
            if known:
                yardstick[aspect] = sum(known) / len(known)
        distances = reference.set_distances(made).to_dict()
        found.append(StyleOfSet(difficulty, system, len(made), distances, yardstick))
    return found


def _maps_of(
    out: Path, song: HeldOutSong, systems: Sequence[str]
) -> Iterator[tuple[str, str, Beatmap]]:
    for difficulty, human in song.maps.items():
        yield difficulty, HUMAN, human.beatmap
    kept = KeptMaps(out, song.key)
    for system in systems:
        made = kept.get(system)
        if made is not None:
            for difficulty, generated in made.maps.items():
                yield difficulty, system, decode(generated.bars)[0]
