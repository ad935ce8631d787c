"""A level to follow: its bars stand in the prompt, its style is asked for, its difficulty is the
nearest."""

from dataclasses import replace
from pathlib import Path

import pytest
from edit_kit import level_files, random_beatmap, write_level

from saberlm.infer.reference import Reference
from saberlm.prompts.beatmap import Beatmap, BpmEvent, ColorNote
from saberlm.prompts.descriptors import style_of
from saberlm.prompts.header import Conditions
from saberlm.prompts.retempo import move_beats


def test_the_nearest_difficulty_is_shown_and_its_style_asked_for(tmp_path: Path) -> None:
    maps = {"Normal": random_beatmap(0, 3), "Expert": random_beatmap(1, 3)}
    path = write_level(tmp_path / "a.zip", level_files(3, maps))
    reference = Reference.of(path)
    assert reference.near("Easy") == reference.near("Normal") != reference.near("Expert")
    assert reference.near("Hard") == reference.near("Expert")
    context, style = reference.near("Expert")
    assert context.task == "reference"
    assert context.opening
    assert style == style_of(maps["Expert"])
    assert reference.styled(Conditions("Hard")).style == style
    assert reference.styled(Conditions("Hard", style="tech")).style == "tech"


def test_a_map_beside_its_beats_or_of_two_tempi_reads_the_same(tmp_path: Path) -> None:
    notes = tuple(ColorNote(float(b), b % 4, 0, b % 2, 1) for b in range(28))  # equal bars
    beatmap = Beatmap(color_notes=notes)
    moved = move_beats(beatmap, lambda beat: beat + 0.21)
    changing = replace(beatmap, bpm_events=(BpmEvent(20.0, 121.0),))
    found = []
    for i, one in enumerate((beatmap, moved, changing)):
        path = write_level(tmp_path / f"{i}.zip", level_files(3, {"Hard": one}))
        found.append(Reference.of(path).near("Hard")[0])
    assert found[0] == found[1] == found[2]


def test_a_level_without_notes_cannot_be_followed(tmp_path: Path) -> None:
    path = write_level(tmp_path / "a.zip", level_files(3, {"Hard": Beatmap()}))
    with pytest.raises(ValueError, match=r"a\.zip: expected a Standard difficulty to follow"):
        Reference.of(path)
