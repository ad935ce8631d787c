"""Silence in front, shifted maps, and the audio that results."""

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from synth import RATE, drums

from saberlm.adapter.audio import is_ogg_vorbis, load_audio, write_ogg_vorbis
from saberlm.infer.lead_in import (
    Padding,
    first_object_beat,
    plan_padding,
    prepare_audio,
    shift_beatmap,
)
from saberlm.prompts.beatmap import (
    Arc,
    Beatmap,
    Bomb,
    BoostEvent,
    BpmEvent,
    Chain,
    ColorNote,
    LightEvent,
    Obstacle,
)


@pytest.mark.parametrize("bpm", [60, 100, 128.37, 180, 333.3])
@pytest.mark.parametrize("offset", [-3.3, -0.2, 0.0, 0.37, 1.2, 12.34])
@pytest.mark.parametrize("first", [None, 0.0, 0.5, 7.25])
def test_beat_zero_lands_on_a_beat_and_the_player_has_time(
    bpm: float, offset: float, first: float | None
) -> None:
    plan = plan_padding(bpm, offset, first)
    beats = (plan.seconds + offset) * bpm / 60
    assert plan.seconds >= 0
    assert abs(beats - plan.beat_shift) * 60 / bpm <= 0.0021
    needs = [offset]
    if first is not None:
        assert (first + plan.beat_shift) * 60 / bpm >= 1.5 - 0.0021
        needs.append(1.5 - first * 60 / bpm)
    assert plan.seconds + offset - 60 / bpm < max(needs)  # a beat less would be too little


@pytest.mark.parametrize("offset", [0.0, 0.0015, -0.0015, 0.5, 0.4995, 2.0])
def test_no_padding_when_the_song_lies_on_its_grid(offset: float) -> None:
    assert plan_padding(120, offset, 4) == Padding(0.0, round(offset * 2))


def test_an_early_first_note_gets_its_lead_in() -> None:
    assert plan_padding(120, 0.0, 0.0) == Padding(1.5, 3)
    assert plan_padding(120, 0.0, 2.5) == Padding(0.5, 1)
    assert plan_padding(120, 0.0, 3.0) == Padding(0.0, 0)


BEATMAP = Beatmap(
    color_notes=(ColorNote(0, 1, 0, 0, 1), ColorNote(2, 2, 0, 1, 1), ColorNote(9, 2, 0, 1, 1)),
    bombs=(Bomb(3, 0, 0),),
    obstacles=(Obstacle(4, 0, 0, 3, 1, 5),),
    arcs=(Arc(2, 1, 0, 0, 1, 4, 1, 0, 1), Arc(2, 1, 0, 0, 1, 9, 1, 0, 1)),
    chains=(Chain(2, 1, 0, 0, 1, 2.5, 1, 0, 3),),
    lights=(LightEvent(0, 0, 1), LightEvent(0.5, 0, 5), LightEvent(0.5, 2, 1), LightEvent(2, 1, 1)),
    boosts=(BoostEvent(0, True), BoostEvent(3, False)),
    bpm_events=(BpmEvent(1, 100.0),),
)


def test_shifting_there_and_back_is_the_identity() -> None:
    there = shift_beatmap(BEATMAP, 7)
    assert there.color_notes[0].beat == 7
    assert (there.arcs[0].beat, there.arcs[0].tail_beat) == (9, 11)
    assert there.chains[0].tail_beat == 9.5
    assert shift_beatmap(there, -7) == BEATMAP
    assert shift_beatmap(BEATMAP, 0) == BEATMAP


def test_what_leaves_the_song_is_left_out_and_states_hold() -> None:
    moved = shift_beatmap(BEATMAP, -1, end_beat=5)
    assert [note.beat for note in moved.color_notes] == [1]
    assert moved.obstacles == (Obstacle(3, 0, 0, 2, 1, 5),)
    assert len(moved.arcs) == 1
    assert moved.lights == (LightEvent(0, 0, 5), LightEvent(0, 2, 1), LightEvent(1, 1, 1))
    assert moved.boosts == (BoostEvent(0, True), BoostEvent(2, False))
    assert moved.bpm_events == (BpmEvent(0, 100.0),)


def test_first_object() -> None:
    assert first_object_beat(Beatmap()) is None
    assert first_object_beat(Beatmap(lights=BEATMAP.lights)) is None
    assert first_object_beat(Beatmap(bombs=(Bomb(3, 0, 0),), chains=BEATMAP.chains)) == 2


def test_vorbis_without_padding_is_the_file_itself(tmp_path: Path) -> None:
    song = tmp_path / "song.ogg"
    write_ogg_vorbis(song, drums(120, 0.5, seconds=6)[None], RATE)
    assert prepare_audio(song, 0.0, tmp_path) == song


@pytest.mark.parametrize(
    ("form", "rate", "channels"), [("WAV", 44100, 2), ("FLAC", 96000, 1), ("OGG", 48000, 2)]
)
def test_padding_moves_the_sound_to_the_millisecond(
    tmp_path: Path, form: str, rate: int, channels: int
) -> None:
    song = tmp_path / "song.x"
    mono = drums(120, 0.5, seconds=6, rate=rate)
    with sf.SoundFile(song, "w", rate, channels, format=form) as file:
        for start in range(0, len(mono), 65536):
            file.write(np.repeat(mono[start : start + 65536, None], channels, axis=1))
    out = prepare_audio(song, 0.75, tmp_path)
    assert is_ogg_vorbis(out)
    written, out_rate = sf.read(out, always_2d=True)
    assert (out_rate, written.shape[1]) == (min(rate, 48000), channels)
    assert len(written) / out_rate == pytest.approx(6.75, abs=0.01)
    loud = np.flatnonzero(np.abs(written[:, 0]) > 0.05)[0] / out_rate
    source = np.flatnonzero(np.abs(mono) > 0.05)[0] / rate
    assert loud - source == pytest.approx(0.75, abs=0.002)


def test_a_song_decoded_before_is_not_decoded_again(tmp_path: Path) -> None:
    song = tmp_path / "song.flac"
    with sf.SoundFile(song, "w", RATE, 4) as file:  # more channels than a level has
        file.write(np.repeat(drums(120, 0.5, seconds=6)[:, None], 4, axis=1))
    kept: list[np.ndarray] = []
    load_audio(song, 22_050, keep=kept)
    (tmp_path / "again").mkdir()
    wanted = prepare_audio(song, 0.3, tmp_path).read_bytes()
    assert prepare_audio(song, 0.3, tmp_path / "again", kept).read_bytes() == wanted
    assert sf.info(tmp_path / "song.egg").channels == 1


def test_no_sound_file(tmp_path: Path) -> None:
    (tmp_path / "text.mp3").write_text("hello")
    with pytest.raises(ValueError, match="expected"):
        prepare_audio(tmp_path / "text.mp3", 1.0, tmp_path)
