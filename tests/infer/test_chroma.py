import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from level_kit import picture, sound

from saberlm.eval.report import check_level
from saberlm.infer.chroma import COLORED_TYPES, PALETTES, SUGGESTION, paint, sections
from saberlm.infer.pack import SongMeta, pack_level
from saberlm.prompts.beatmap import Beatmap, ColorNote, Difficulty, LevelInfo, LightEvent
from saberlm.prompts.extra_fields import CUSTOM_DATA
from saberlm.prompts.mapfile import read_level, write_level
from saberlm.prompts.tempo import TempoMap

RATE = 1000
TEMPO = TempoMap(120.0)


def song(*loudness: float) -> Any:
    """8 s, 16 beats, of noise for each number."""
    rng = np.random.default_rng(0)
    return np.concatenate([a * rng.standard_normal(8 * RATE) for a in loudness]).astype(np.float32)


def lights(*beats: float) -> Beatmap:
    events = [LightEvent(b, t, v) for b in beats for t in (0, 1, 4, 8, 12) for v in (0, 1, 5, 9)]
    return Beatmap(lights=tuple(events))


def color_of(event: LightEvent) -> Any:
    return ((event.extra or {}).get(CUSTOM_DATA) or {}).get("color")


def test_sections_follow_the_loudness_and_long_ones_are_cut() -> None:
    found = sections(song(0.01, 0.01, 0.1, 0.1, 1.0, 1.0, 0.1, 0.01), RATE, TEMPO)
    assert [(one.beat, one.level) for one in found] == [(0, 0), (32, 1), (64, 2), (96, 1), (112, 0)]
    assert [one.turn for one in found] == [0, 0, 0, 1, 1]
    even = sections(song(*[0.1] * 9), RATE, TEMPO)
    assert [(one.beat, one.level) for one in even] == [(0, 1), (64, 1), (128, 1)]


def test_silence_in_front_moves_the_sections_with_the_song() -> None:
    loudness = (0.01, 0.1, 1.0)
    late = sections(song(*loudness), RATE, TEMPO, first_second=8.0)
    assert [one.beat for one in late if one.level == 2] == [48.0]


@pytest.mark.parametrize("palette", PALETTES)
def test_lights_that_burn_get_a_color_and_nothing_else_changes(palette: str) -> None:
    parts = sections(song(0.01, 0.1, 1.0), RATE, TEMPO)
    before = lights(0, 20, 40)
    after = paint(before, palette, parts)
    assert after == before  # extra fields do not count in what the vanilla game plays
    for event in after.lights:
        color = color_of(event)
        assert (color is not None) == (event.type in COLORED_TYPES and event.value > 0)
        assert color is None or (len(color) == 3 and all(0 <= part <= 1 for part in color))
    of = {(e.beat, e.value): tuple(color_of(e)) for e in after.lights if color_of(e)}
    assert len({of[0, 1], of[0, 5], of[0, 9]}) == 3  # right, left and white
    assert len({of[0, 1], of[20, 1], of[40, 1]}) == 3  # quiet, middle and loud


def test_louder_is_brighter() -> None:
    for name, palette in PALETTES.items():
        sums = [
            sum(int(c[i : i + 2], 16) for pair in pairs for c in pair for i in (1, 3, 5))
            for pairs in (palette.quiet, palette.middle, palette.loud)
        ]
        assert sums == sorted(sums), name


@pytest.mark.parametrize(("version", "key"), [(2, "_color"), (3, "color"), (4, "color")])
def test_each_version_of_the_format_has_the_color_by_its_own_name(
    tmp_path: Path, version: int, key: str
) -> None:
    painted = paint(lights(0, 4), "neon", sections(song(0.1), RATE, TEMPO))
    painted = Beatmap(color_notes=(ColorNote(4, 1, 0, 0, 1),), lights=painted.lights)
    difficulty = Difficulty(
        "Standard", "Expert", 16.0, 0.0, painted, extra={CUSTOM_DATA: dict(SUGGESTION)}
    )
    path = tmp_path / "level.zip"
    files = {"song.egg": sound(), "cover.png": picture()}
    write_level(path, LevelInfo(title="t", bpm=120), [difficulty], files, version=version)
    assert check_level(path).valid
    with zipfile.ZipFile(path) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist() if "dat" in name}
    assert '"_suggestions"' in texts.pop("Info.dat")
    whole = "".join(texts.values())
    custom = "_customData" if version == 2 else "customData"
    assert f'"{custom}":{{"{key}":[' in "".join(whole.split())
    other = {"color": '"_color"', "_color": '"color"'}[key]
    assert other not in whole
    # read and written again as another version it is there by that one's name
    back = read_level(path)
    again = tmp_path / "again.zip"
    write_level(again, back.info, back.difficulties, files, version={2: 3, 3: 2, 4: 2}[version])
    with zipfile.ZipFile(again) as archive:
        name = next(name for name in archive.namelist() if name.startswith("Expert"))
        data = json.loads(archive.read(name))
    events = data["basicBeatmapEvents"] if version == 2 else data["_events"]
    customs = [e.get("customData", e.get("_customData")) for e in events]
    assert {tuple(c) for c in customs if c} == {("color",) if version == 2 else ("_color",)}


def test_a_packed_level_suggests_chroma_and_stays_the_same_for_all_others(tmp_path: Path) -> None:
    (tmp_path / "song.ogg").write_bytes(sound())
    notes = tuple(ColorNote(4 + i, 1, 0, i % 2, i % 2) for i in range(4))
    maps = {"Expert": Beatmap(color_notes=notes, lights=lights(4, 5).lights), "Easy": Beatmap()}
    made = {}
    for palette in (None, "ember"):
        out = tmp_path / f"{palette}.zip"
        pack_level(out, tmp_path / "song.ogg", 120, 0.0, maps, SongMeta("t"), chroma=palette)
        assert check_level(out).valid
        made[palette] = read_level(out)
    plain, painted = ({d.name: d for d in level.difficulties} for level in made.values())
    assert {name: d.beatmap for name, d in plain.items()} == {
        name: d.beatmap for name, d in painted.items()
    }
    assert (painted["Expert"].extra or {})[CUSTOM_DATA] == SUGGESTION
    assert not painted["Easy"].extra  # no light, nothing to suggest
    assert any(color_of(event) for event in painted["Expert"].beatmap.lights)


def test_an_unknown_palette_is_refused_before_any_work() -> None:
    from saberlm.infer.level_request import LevelRequest

    with pytest.raises(ValueError, match=r"--chroma.*aurora.*'mud'"):
        LevelRequest.of("song.ogg", chroma="mud")
