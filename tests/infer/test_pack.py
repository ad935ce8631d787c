"""A whole level written, read back and compared; and what is refused."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile as sf
from PIL import Image
from synth import RATE, drums

from saberlm.adapter.audio import load_audio, write_ogg_vorbis
from saberlm.infer.njs import NoteJump
from saberlm.infer.pack import (
    ENVIRONMENTS,
    SongMeta,
    check_environment,
    check_writable,
    loudest_start,
    meta_from_filename,
    pack_level,
)
from saberlm.prompts.beatmap import Beatmap, BpmEvent, ColorNote, LightEvent
from saberlm.prompts.mapfile import read_level
from saberlm.prompts.tempo import TempoMap

NOTES = tuple(
    ColorNote(float(beat), 1 + beat % 2, 0, beat % 2, beat // 2 % 2) for beat in range(16)
)
BEATMAP = Beatmap(color_notes=NOTES, lights=(LightEvent(0, 1, 1), LightEvent(4, 1, 5)))
META = SongMeta("A song", "An artist", "me", "sub")


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("song") / "Someone - Something.ogg"
    write_ogg_vorbis(path, drums(120, 0.37, seconds=12)[None], RATE)
    return path


def _info(path: Path) -> dict:
    with zipfile.ZipFile(path) as level:
        return json.loads(level.read("Info.dat"))


def test_a_level_reads_back_shifted_onto_its_audio(song: Path, tmp_path: Path) -> None:
    out = tmp_path / "level.zip"
    packed = pack_level(
        out,
        song,
        120.0,
        0.37,
        {"ExpertPlus": BEATMAP, "Hard": BEATMAP},
        META,
        environment="nice",
        seed=3,
        model_name="nano",
    )
    assert packed.beat_shift == 3
    assert packed.padding_seconds == pytest.approx(1.5 - 0.37)
    level = read_level(out)
    assert [difficulty.name for difficulty in level.difficulties] == ["Hard", "ExpertPlus"]
    for difficulty in level.difficulties:
        assert [note.beat for note in difficulty.beatmap.color_notes] == [
            beat + 3.0 for beat in range(16)
        ]
        assert NoteJump(difficulty.njs, difficulty.offset) == packed.note_jumps[difficulty.name]
    info = _info(out)
    assert info["_songTimeOffset"] == 0
    assert (info["_songName"], info["_songAuthorName"], info["_levelAuthorName"]) == (
        "A song",
        "An artist",
        "me",
    )
    assert info["_environmentName"] == "NiceEnvironment"
    custom = info["_customData"]
    assert custom["_contributors"] == [{"_role": "Automapper", "_name": "saberlm", "_iconPath": ""}]
    assert custom["_editors"]["_lastEditedBy"] == "saberlm"
    assert "generated" in custom["_information"][0]
    assert custom["_saberlm"] == {"automapper": True, "model": "nano", "seed": 3}
    with zipfile.ZipFile(out) as archive:
        assert {
            "Info.dat",
            "song.egg",
            "cover.png",
            "HardStandard.dat",
            "ExpertPlusStandard.dat",
        } == set(archive.namelist())
        assert Image.open(io.BytesIO(archive.read("cover.png"))).size == (512, 512)
        sound = sf.info(io.BytesIO(archive.read("song.egg")))
    assert (sound.format, sound.subtype) == ("OGG", "VORBIS")
    assert sound.frames / sound.samplerate == pytest.approx(12 + packed.padding_seconds, abs=0.01)


def test_the_same_input_gives_the_same_bytes(song: Path, tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip"):
        pack_level(tmp_path / name, song, 120.0, 0.37, {"Easy": BEATMAP}, META)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_song_that_was_kept_is_not_read_again_and_gives_the_same_bytes(
    song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = (song, 120.0, 0.37, {"Easy": BEATMAP}, META)
    pack_level(tmp_path / "read.zip", *rest)
    sound: list = []
    load_audio(song, 24_000, keep=sound)
    for module in ("pack", "lead_in"):
        monkeypatch.delattr(f"saberlm.infer.{module}.load_audio")
    pack_level(tmp_path / "kept.zip", *rest, sound=sound)
    assert (tmp_path / "kept.zip").read_bytes() == (tmp_path / "read.zip").read_bytes()


def test_vorbis_on_its_grid_is_copied_untouched(song: Path, tmp_path: Path) -> None:
    late = Beatmap(color_notes=NOTES[4:])
    packed = pack_level(tmp_path / "x.zip", song, 120.0, 0.5, {"Easy": late}, META)
    assert (packed.padding_seconds, packed.beat_shift) == (0.0, 1)
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert archive.read("song.egg") == song.read_bytes()


def test_given_jumps_and_cover_are_used(song: Path, tmp_path: Path) -> None:
    jump = NoteJump(19.5, -0.25)
    pack_level(
        tmp_path / "x.zip",
        song,
        120.0,
        0.0,
        {"Expert": BEATMAP},
        META,
        note_jumps={"Expert": jump},
        cover=("cover.jpg", b"jpg"),
    )
    read = read_level(tmp_path / "x.zip").difficulties[0]
    assert (read.njs, read.offset) == (19.5, -0.25)
    assert _info(tmp_path / "x.zip")["_coverImageFilename"] == "cover.jpg"


def test_nothing_lies_after_the_song(song: Path, tmp_path: Path) -> None:
    far = Beatmap(color_notes=(*NOTES, ColorNote(500.0, 0, 0, 0, 1)))
    pack_level(tmp_path / "x.zip", song, 120.0, 0.0, {"Expert": far}, META)
    assert len(read_level(tmp_path / "x.zip").difficulties[0].beatmap.color_notes) == 16


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beatmaps": {}}, "none"),
        ({"beatmaps": {"Expert+": BEATMAP}}, "Expert+"),
        ({"bpm": 0.0}, "--bpm"),
        ({"offset_seconds": float("nan")}, "--offset"),
        ({"environment": "WeaveEnvironment"}, "environment"),
        ({"out": Path("/nowhere/x.zip")}, "folder"),
        ({"song_path": Path("absent.ogg")}, "absent"),
    ],
)
def test_bad_input_leaves_no_file(song: Path, tmp_path: Path, change: dict, message: str) -> None:
    given = {"out": tmp_path / "x.zip", "song_path": song, "bpm": 120.0, "offset_seconds": 0.0}
    with pytest.raises(ValueError, match=message.replace("+", r"\+")):
        pack_level(**{**given, "beatmaps": {"Easy": BEATMAP}, "meta": META, **change})
    assert not list(tmp_path.iterdir())


def test_check_writable(tmp_path: Path) -> None:
    check_writable(tmp_path / "x.zip")
    assert not list(tmp_path.iterdir())
    (tmp_path / "y.zip").mkdir()
    (tmp_path / "file").touch()
    for bad in (
        tmp_path / "y.zip",
        tmp_path / "none" / "x.zip",
        tmp_path / "file" / "x.zip",
        Path("/proc/x.zip"),
    ):
        with pytest.raises(ValueError, match="expected"):
            check_writable(bad)


def test_environments() -> None:
    assert len(ENVIRONMENTS) == 24
    assert check_environment("default") == "DefaultEnvironment"
    assert check_environment("BTSEnvironment") == "BTSEnvironment"
    with pytest.raises(ValueError, match="DefaultEnvironment"):
        check_environment("Nowhere")


@pytest.mark.parametrize(
    ("name", "artist", "title"),
    [
        ("A - B.ogg", "A", "B"),
        ("A - B - C.mp3", "A", "B - C"),
        ("song_one.wav", "", "song one"),
        (" - .wav", "", "-"),
    ],
)
def test_meta_from_filename(name: str, artist: str, title: str) -> None:
    meta = meta_from_filename(Path("folder") / name)
    assert (meta.artist, meta.title, meta.mapper) == (artist, title, "saberlm")


def test_preview_starts_at_the_loudest_part() -> None:
    sound = drums(120, 0, seconds=40)
    sound[: 20 * RATE] *= 0.1
    sound[30 * RATE :] *= 0.1
    assert loudest_start(sound, RATE) == pytest.approx(20, abs=0.5)
    assert loudest_start(sound[: 6 * RATE], RATE) == 0


CHANGES = (BpmEvent(4.0, 150.0), BpmEvent(9.0, 96.0))


@pytest.mark.parametrize("offset", [0.37, -0.4])
def test_changes_of_tempo_go_into_the_files_and_notes_keep_their_seconds(
    song: Path, tmp_path: Path, offset: float
) -> None:
    changing = replace(BEATMAP, bpm_events=CHANGES)
    maps = {"Easy": changing, "Expert": changing}
    packed = pack_level(tmp_path / "x.zip", song, 120.0, offset, maps, META)
    level = read_level(tmp_path / "x.zip")
    before = TempoMap(120.0, CHANGES)
    for difficulty in level.difficulties:
        tempo = TempoMap(level.info.bpm, difficulty.beatmap.bpm_events)
        assert tempo.events == tuple(
            replace(event, beat=event.beat + packed.beat_shift) for event in CHANGES
        )
        for old, new in zip(NOTES, difficulty.beatmap.color_notes, strict=True):
            seconds = tempo.to_seconds(new.beat) - packed.padding_seconds
            assert seconds == pytest.approx(offset + before.to_seconds(old.beat), abs=0.0021)
            assert new.beat * 48 == round(new.beat * 48)


def test_a_late_first_note_s_lead_in_is_counted_in_seconds(song: Path, tmp_path: Path) -> None:
    """Two beats of 0.3 s each are less than the lead-in, at the first tempo they would do."""
    early = Beatmap(NOTES[3:], bpm_events=(BpmEvent(1.0, 300.0),))
    packed = pack_level(tmp_path / "x.zip", song, 60.0, 0.0, {"Easy": early}, META)
    assert packed.padding_seconds == pytest.approx(1.0)
    steady = Beatmap(NOTES[3:])
    assert pack_level(tmp_path / "y.zip", song, 60.0, 0.0, {"Easy": steady}, META).beat_shift == 0


def test_maps_of_one_level_have_one_tempo(song: Path, tmp_path: Path) -> None:
    maps = {"Easy": BEATMAP, "Hard": replace(BEATMAP, bpm_events=CHANGES)}
    with pytest.raises(ValueError, match="same tempo changes"):
        pack_level(tmp_path / "x.zip", song, 120.0, 0.0, maps, META)
    assert not list(tmp_path.iterdir())
