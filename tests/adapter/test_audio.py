"""Sound files in every format we read, every kind of file we refuse, and what we write."""

from __future__ import annotations

import logging
import shutil
import sys

import numpy as np
import pytest
import soundfile as sf

from saberlm.adapter import audio
from saberlm.adapter.audio import audio_info, is_ogg_vorbis, load_audio, mono_of, write_ogg_vorbis

RATE = 44_100
FORMATS = {
    "wav": ("WAV", "PCM_16", RATE),
    "flac": ("FLAC", "PCM_16", RATE),
    "ogg": ("OGG", "VORBIS", RATE),
    "opus": ("OGG", "OPUS", 48_000),
    "mp3": ("MP3", "MPEG_LAYER_III", RATE),
}


def tone(seconds: float, rate: int = RATE, hertz: float = 440.0) -> np.ndarray:
    """A sine as ``(2, T)``, louder on the left."""
    sine = np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return np.stack([0.5 * sine, 0.3 * sine]).astype(np.float32)


def write(path, samples, rate=RATE, file_format="WAV", subtype="PCM_16"):
    with sf.SoundFile(
        path, "w", rate, samples.shape[0], format=file_format, subtype=subtype
    ) as file:
        for start in range(0, samples.shape[1], 65_536):
            file.write(samples[:, start : start + 65_536].T)
    return path


def keep_share(path, share: float):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_comes_back_as_it_went(kind, tmp_path):
    file_format, subtype, rate = FORMATS[kind]
    path = write(tmp_path / f"song.{kind}", tone(6, rate), rate, file_format, subtype)

    info = audio_info(path)
    assert (info.format, info.subtype) == (file_format, subtype)
    assert (info.sample_rate, info.channels) == (rate, 2)
    assert info.seconds == pytest.approx(6, abs=0.1)

    samples = load_audio(path, 22_050)
    assert samples.dtype == np.float32
    assert samples.shape == (1, pytest.approx(6 * 22_050, abs=2205))
    middle = samples[0, 22_050 : 5 * 22_050]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.4 / np.sqrt(2), rel=0.02)
    spectrum = np.abs(np.fft.rfft(middle))
    assert np.argmax(spectrum) * 22_050 / len(middle) == pytest.approx(440, abs=0.5)


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("rate", [22_050, 44_100])
def test_what_was_kept_gives_any_rate_as_reading_again_does(channels, rate, tmp_path):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (channels, 6 * rate))
    path = write(tmp_path / "song.wav", samples, rate)
    kept = []
    load_audio(path, 24_000, keep=kept)
    np.testing.assert_array_equal(mono_of(kept, rate, 22_050), load_audio(path, 22_050))


def test_same_rate_is_not_resampled(tmp_path):
    stereo = tone(5.5)
    path = write(tmp_path / "song.wav", stereo, subtype="FLOAT")
    np.testing.assert_allclose(load_audio(path, RATE)[0], stereo.mean(axis=0), atol=1e-7)


def test_content_counts_and_not_the_name(tmp_path):
    path = write(tmp_path / "really a wav.mp3", tone(5.5))
    assert load_audio(path, 8000).shape == (1, 44_000)


def missing(path):
    return path


def folder(path):
    path.mkdir()
    return path


def holding(data: bytes):
    def make(path):
        path.write_bytes(data)
        return path

    return make


def sound(samples, subtype="FLOAT"):
    return lambda path: write(path, samples, subtype=subtype)


def spoilt(value: float, channels=slice(None)):
    samples = tone(6)
    samples[channels, 100_000] = value
    return sound(samples)


def cut(file_format: str, subtype: str, share: float):
    return lambda path: keep_share(
        write(path, tone(8), file_format=file_format, subtype=subtype), share
    )


BAD = {
    "missing": (missing, r"expected a sound file, found nothing there"),
    "folder": (folder, r"expected a sound file, found a folder"),
    "empty": (holding(b""), r"found 0 bytes"),
    "text": (holding("Dies ist kein Lied, über das man tanzt.\n".encode() * 50), r"found text"),
    "playlist": (holding(b"#EXTM3U\n#EXTINF:9,\nother.aac\n"), r"found text"),
    "zip": (holding(b"PK\x03\x04" + bytes(3000)), r"found a zip; a level"),
    "zeros": (holding(bytes(5000)), r"found an unknown format"),
    "m4a": (holding(b"\0\0\0\x20ftypM4A " + bytes(3000)), r"found MP4/M4A.*install ffmpeg"),
    "half a second": (sound(tone(0.5)), r"at least 5 s of audio, found .* 0\.50 s"),
    "silence": (sound(np.zeros((2, 6 * RATE), dtype=np.float32)), r"expected music, found silence"),
    "faint noise": (sound(tone(6) * 1e-4), r"found silence"),
    "nan": (spoilt(np.nan), r"found NaN or infinity at about"),
    "inf": (spoilt(np.inf), r"found NaN or infinity"),
    "inf of both signs": (spoilt(np.array([np.inf, -np.inf])), r"found NaN or infinity"),
    "nan in one channel": (spoilt(np.nan, 1), r"found NaN or infinity"),
    "mp3 cut to a tenth": (cut("MP3", "MPEG_LAYER_III", 0.1), r"expected 8\.0 s .* is cut short"),
    "wav cut to a tenth": (cut("WAV", "PCM_16", 0.1), r"at least 5 s of audio"),
    "flac cut": (cut("FLAC", "PCM_16", 0.9), r"found damage \(flac decoder lost sync\)"),
    "header alone": (cut("OGG", "VORBIS", 0.005), r"found an unknown format"),
}


@pytest.fixture
def no_ffmpeg(monkeypatch):
    monkeypatch.setattr(audio.shutil, "which", lambda name: None)


@pytest.mark.usefixtures("no_ffmpeg")
@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_refused_in_one_line(kind, tmp_path):
    make, message = BAD[kind]
    path = make(tmp_path / "song.mp3")
    with pytest.raises(ValueError, match=message) as caught:
        load_audio(path, 22_050)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_forty_minutes_are_refused_before_decoding(tmp_path, monkeypatch):
    path = tmp_path / "mix.flac"
    with sf.SoundFile(path, "w", 8000, 1, format="FLAC", subtype="PCM_16") as file:
        for _ in range(40):
            file.write(np.zeros(60 * 8000, dtype=np.int16))
    monkeypatch.setattr(audio, "_sndfile_blocks", lambda path: pytest.fail("it decoded"))
    with pytest.raises(ValueError, match=r"at most 30 minutes .* 40\.0 minutes"):
        load_audio(path, 22_050)


def test_a_header_that_states_too_little_does_not_help(tmp_path, monkeypatch):
    path = write(tmp_path / "mix.wav", tone(6))
    minute = np.full(60 * RATE, 0.1, dtype=np.float32)
    monkeypatch.setattr(audio, "_sndfile_blocks", lambda path: iter([minute[:, None]] * 1000))
    with pytest.raises(ValueError, match=r"at most 30 minutes .* goes on for at least 31"):
        load_audio(path, 22_050)


def test_an_absurd_rate_is_refused(tmp_path):
    path = write(tmp_path / "song.wav", tone(6, 8000), rate=2_000_000)
    with pytest.raises(ValueError, match="4000 to 384000 Hz, found 2000000 Hz"):
        audio_info(path)


def test_a_cut_mp3_that_is_still_a_song_is_taken_with_a_warning(tmp_path, caplog):
    path = write(tmp_path / "song.mp3", tone(12), file_format="MP3", subtype="MPEG_LAYER_III")
    keep_share(path, 0.6)
    with caplog.at_level(logging.WARNING):
        samples = load_audio(path, 22_050)
    assert 6.5 < samples.shape[1] / 22_050 < 7.5
    assert "the header states 12.0 s but only 7.1 s decode" in caplog.text


def test_a_cut_ogg_is_taken_with_a_warning(tmp_path, caplog):
    path = write(tmp_path / "song.ogg", tone(12), file_format="OGG", subtype="VORBIS")
    keep_share(path, 0.7)
    with caplog.at_level(logging.WARNING):
        assert 5 < load_audio(path, 22_050).shape[1] / 22_050 < 12
        load_audio(path, 22_050)
    assert caplog.text.count("stops in the middle") == 1


@pytest.mark.parametrize(("file_format", "subtype"), [("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS")])
def test_a_whole_file_gives_no_warning(file_format, subtype, tmp_path, caplog):
    path = write(tmp_path / "song", tone(6), file_format=file_format, subtype=subtype)
    load_audio(path, 22_050)
    assert caplog.text == ""


FAKE_FFMPEG = f"""#!{sys.executable}
import sys
import numpy as np
if "pipe:1" in sys.argv:
    sys.stdout.buffer.write(np.full(STATED * 8000, 0.25, dtype="<f4").tobytes())
    sys.exit(CODE)
sys.stderr.write('''Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'x':
  Duration: 00:00:06.00, start: 0.000000, bitrate: 128 kb/s
  Stream #0:0[0x1](und): Audio: aac (LC) (mp4a / 0x6134706D), 8000 Hz, stereo, fltp, 128 kb/s
At least one output file must be specified''')
sys.exit(1)
"""


@pytest.fixture
def fake_ffmpeg(tmp_path, monkeypatch):
    """Installs a program that answers as ffmpeg does."""

    def install(seconds: int, code: int = 0):
        program = tmp_path / "ffmpeg"
        text = FAKE_FFMPEG.replace("STATED", str(seconds)).replace("CODE", str(code))
        program.write_text(text)
        program.chmod(0o755)
        monkeypatch.setattr(audio.shutil, "which", lambda name: str(program))
        path = tmp_path / "song.m4a"
        path.write_bytes(b"\0\0\0\x20ftypM4A " + bytes(3000))
        return path

    return install


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a script with a #! line")
def test_m4a_goes_through_ffmpeg(fake_ffmpeg):
    path = fake_ffmpeg(6)
    info = audio_info(path)
    assert (info.format, info.subtype, info.sample_rate) == ("FFMPEG", "aac", 8000)
    assert (info.channels, info.seconds) == (2, 6.0)
    samples = load_audio(path, 16_000)
    assert samples.shape == (1, 96_000)
    assert samples[0, 48_000] == pytest.approx(0.25, abs=1e-3)


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a script with a #! line")
def test_ffmpeg_that_fails_is_a_refusal(fake_ffmpeg):
    with pytest.raises(ValueError, match=r"found damage \(ffmpeg: "):
        load_audio(fake_ffmpeg(6, code=1), 16_000)
    with pytest.raises(ValueError, match=r"expected 6\.0 s .* found 1\.0 s; the file is cut"):
        load_audio(fake_ffmpeg(1), 16_000)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg on this machine")
def test_a_real_ffmpeg_reads_aac(tmp_path):
    wav, m4a = write(tmp_path / "song.wav", tone(6)), tmp_path / "song.m4a"
    audio.subprocess.run(["ffmpeg", "-v", "error", "-i", str(wav), str(m4a)], check=True)
    assert load_audio(m4a, 22_050).shape == (1, pytest.approx(6 * 22_050, abs=2205))


def test_vorbis_is_told_from_the_rest(tmp_path):
    for kind, (file_format, subtype, rate) in FORMATS.items():
        path = write(tmp_path / f"song.{kind}", tone(1, rate), rate, file_format, subtype)
        assert is_ogg_vorbis(path) == (kind == "ogg")


@pytest.mark.parametrize("num_frames", [1, 65_536, 65_537, 700_000])
@pytest.mark.parametrize("num_channels", [1, 2])
def test_written_vorbis_reads_back(num_frames, num_channels, tmp_path):
    samples = np.resize(tone(20), (2, num_frames))[:num_channels]
    path = tmp_path / "song.egg"
    write_ogg_vorbis(path, samples, RATE)
    assert is_ogg_vorbis(path)
    read, rate = sf.read(path, always_2d=True)
    assert rate == RATE
    assert read.shape == (num_frames, num_channels)
    if num_frames > RATE:
        np.testing.assert_allclose(read[2000:-2000].T, samples[:, 2000:-2000], atol=0.05)


def test_equal_samples_give_equal_bytes(tmp_path):
    for name in ("a.ogg", "b.ogg"):
        write_ogg_vorbis(tmp_path / name, tone(3), RATE)
    assert (tmp_path / "a.ogg").read_bytes() == (tmp_path / "b.ogg").read_bytes()


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (np.zeros(100), RATE, r"expected samples \(C, T\)"),
        (np.zeros((2, 0)), RATE, r"expected samples \(C, T\)"),
        (np.zeros((1, 100)), 4000, "8000 to 192000 Hz for Vorbis, found 4000"),
        (np.full((1, 100), np.nan), RATE, "found NaN or infinity"),
    ],
)
def test_what_cannot_be_written_leaves_nothing(samples, rate, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        write_ogg_vorbis(tmp_path / "song.ogg", samples, rate)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "song.ogg"
    path.write_bytes(b"old")

    def fail(self, target):
        raise OSError("disk full")

    monkeypatch.setattr(audio.Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_ogg_vorbis(path, tone(1), RATE)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
