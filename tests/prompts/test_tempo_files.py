"""AudioData.dat and BPMInfo.dat, and the tempo events their regions stand for."""

from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from saberlm.prompts.audio_data import AudioData, BpmRegion, LufsRegion
from saberlm.prompts.beatmap import BpmEvent
from saberlm.prompts.tempo import TempoMap
from saberlm.prompts.tempo_files import (
    audio_data_of,
    audio_data_to_dict,
    bpm_events_of,
    bpm_info_to_dict,
    read_audio_data,
    read_bpm_info,
)

unhurried = settings(deadline=None)
plain_bpm = st.integers(3000, 30000).map(lambda hundredths: hundredths / 100)
frequencies = st.sampled_from((22050, 44100, 48000))


@st.composite
def tempos(draw):
    """A base tempo and changes, at least 16 beats apart, of which each does change it."""
    bpm = draw(plain_bpm)
    events, beat, in_force = [], 0.0, bpm
    for step, change in draw(st.lists(st.tuples(st.integers(64, 400), plain_bpm), max_size=6)):
        if change != in_force:
            in_force = change
            events.append(BpmEvent(beat, change))
            beat += step / 4
    return bpm, tuple(events), beat + draw(st.integers(16, 400))


def regions_of(bpm, events, end_beat, frequency):
    tempo = TempoMap(bpm, events)
    count = round(tempo.to_seconds(float(end_beat)) * frequency)
    return audio_data_of(tempo, bpm, events, count, frequency, tempo.to_beats(count / frequency))


@unhurried
@given(tempos(), frequencies)
def test_the_tempo_comes_back_from_its_regions(tempo, frequency):
    bpm, events, end_beat = tempo
    audio = regions_of(bpm, events, end_beat, frequency)
    assert bpm_events_of(audio, bpm) == events


@unhurried
@given(tempos(), frequencies, st.floats(30, 300))
def test_every_region_begins_where_its_beat_sounds(tempo, frequency, base):
    bpm, events, end_beat = tempo
    audio = regions_of(bpm, events, end_beat, frequency)
    found = TempoMap(base, bpm_events_of(audio, base))
    for region in audio.regions:
        assert abs(found.to_seconds(region.start_beat) * frequency - region.start_sample) <= 1.0
    last = audio.regions[-1]
    assert abs(found.to_seconds(last.end_beat) * frequency - last.end_sample) <= 2.0


@unhurried
@given(
    st.lists(
        st.tuples(st.integers(100, 10**6), st.integers(1, 10**6), st.booleans()),
        min_size=1,
        max_size=6,
    )
)
@example([(23225, 43, False), (23228, 187, False), (23227, 187, False), (23227, 187, False)])
def test_regions_of_any_tempo_are_met_and_written_again(lengths):
    sample, beat, regions = 0, 0.0, []
    for samples, millibeats, _ in lengths:
        end, end_beat = sample + samples, beat + millibeats / 1000
        regions.append(BpmRegion(sample, end, beat, end_beat))
        sample, beat = end, end_beat
    audio = AudioData(sample, 44100, tuple(regions))
    events = bpm_events_of(audio, 120.0)
    tempo = TempoMap(120.0, events)
    for region in regions:
        assert abs(tempo.to_seconds(region.start_beat) * 44100 - region.start_sample) <= 1.0
    end_beat = tempo.to_beats(sample / 44100)
    again = audio_data_of(tempo, 120.0, events, sample, 44100, end_beat)
    changes = bpm_events_of(again, 120.0)
    # a change that samples hardly show may go, and nothing else
    assert {event.beat for event in changes} <= {event.beat for event in events}
    written = TempoMap(120.0, changes)
    for region in regions:
        late = written.to_seconds(region.end_beat) - tempo.to_seconds(region.end_beat)
        assert abs(late) * 44100 <= 2.0


@unhurried
@given(tempos(), frequencies)
def test_files_keep_audio_data(tempo, frequency):
    audio = regions_of(*tempo, frequency)
    loud = AudioData(audio.sample_count, frequency, audio.regions, (LufsRegion(0, 9, -7.5),), "abc")
    assert read_audio_data(audio_data_to_dict(loud), "AudioData.dat") == (loud, {})
    assert read_bpm_info(bpm_info_to_dict(audio), "BPMInfo.dat") == (audio, {})


@unhurried
@given(
    st.lists(
        st.tuples(*[st.integers(-50, 1000)] * 2, *[st.integers(-5, 40)] * 2).map(
            lambda values: dict(zip(("si", "ei", "sb", "eb"), values, strict=True))
        )
    ),
    st.integers(0, 900),
)
def test_read_regions_obey_the_rules(items, count):
    audio, _ = read_audio_data(
        {"songSampleCount": count, "songFrequency": 100, "bpmData": items}, "AudioData.dat"
    )
    end, end_beat = 0, 0.0
    for region in audio.regions:
        assert end <= region.start_sample < region.end_sample <= audio.sample_count
        assert end_beat <= region.start_beat < region.end_beat
        end, end_beat = region.end_sample, region.end_beat
    assert read_audio_data(audio_data_to_dict(audio), "again")[0] == audio
    TempoMap(120.0, bpm_events_of(audio, 120.0))


def read(*regions, count=1000):
    items = [dict(zip(("si", "ei", "sb", "eb"), region, strict=True)) for region in regions]
    return read_audio_data(
        {"songSampleCount": count, "songFrequency": 100, "bpmData": items}, "AudioData.dat"
    )


@pytest.mark.parametrize(
    ("regions", "kept", "phrase"),
    [
        (((0, 0, 0, 4), (0, 1000, 0, 20)), 1, "tempo region of no length dropped"),
        (((500, 1000, 8, 20), (0, 500, 0, 8)), 2, "tempo regions sorted by sample"),
        (((0, 500, 0, 8), (400, 1000, 8, 20)), 1, "tempo region overlapping another dropped"),
        (((0, 2000, 0, 20),), 1, "tempo region past the song's end cut"),
        (((1000, 2000, 0, 20),), 0, "tempo region after the song's end dropped"),
        (((-1, 1000, 0, 20),), 0, "tempo region before the song's start dropped"),
        (((100, 1000, 2, 20),), 2, "stretch without a tempo region filled"),
        (
            ((100, 1000, 0, 20),),
            1,
            "stretch of the song without beats: later beats come too early",
        ),
        (((0, 1000, 2, 20),), 1, "beats without a stretch of the song: later beats come too late"),
        (((0, "x", 0, 20),), 0, "tempo region with a ei that is not a number dropped"),
    ],
)
def test_broken_regions_are_counted(regions, kept, phrase):
    audio, counts = read(*regions)
    assert counts == {phrase: 1}
    assert len(audio.regions) == kept


def test_a_region_cut_at_the_songs_end_keeps_its_tempo():
    audio, _ = read((0, 2000, 0, 20))
    assert audio.regions == (BpmRegion(0, 1000, 0, 10.0),)


def test_a_tempo_of_plain_decimals_is_found():
    # The official editor's float32 end beat of a 60 BPM song, whose end it gives a sample early.
    audio = AudioData(5047744, 44100, (BpmRegion(0, 5047743, 0.0, 114.46131896972656),))
    assert bpm_events_of(audio, 60.0) == ()
    assert bpm_events_of(audio, 120.0) == (BpmEvent(0.0, 60.0),)


def test_changes_that_no_region_holds_are_counted():
    events = (BpmEvent(0.001, 90.0), BpmEvent(0.0010001, 80.0), BpmEvent(99.0, 70.0))
    lost = Counter()
    audio = audio_data_of(TempoMap(60.0, events), 60.0, events, 1000, 100, 15.0, lost)
    assert lost == {
        "tempo change within a sample of another": 2,
        "tempo change after the end of the song": 1,
    }
    assert len(audio.regions) == 1


@pytest.mark.parametrize(
    "data",
    [
        [],
        {},
        {"songSampleCount": 5},
        {"songSampleCount": "x", "songFrequency": 44100},
        {"songSampleCount": -1, "songFrequency": 44100},
    ],
)
def test_another_file_is_refused(data):
    with pytest.raises(ValueError, match=r"^AudioData\.dat: expected .*, found .*: likely"):
        read_audio_data(data, "AudioData.dat")


def test_a_song_without_length_has_no_regions():
    with pytest.raises(ValueError, match="expected a song with samples"):
        audio_data_of(TempoMap(120.0), 120.0, (), 0, 44100, 0.0)
