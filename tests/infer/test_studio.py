"""Jobs of several people: turns, stopping, files that are no songs, songs that go away."""

import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile as sf

from saberlm.infer.level_request import LevelRequest
from saberlm.infer.level_work import LevelWork
from saberlm.infer.njs import NoteJump
from saberlm.infer.pack import SongMeta, pack_level
from saberlm.infer.studio import MAX_SONG_SECONDS, Job, Studio, safe_name
from saberlm.infer.tags import read_meta
from saberlm.infer.tempo_estimate import TempoEstimate
from saberlm.prompts.beatmap import Beatmap, ColorNote

RATE = 22050
EVIL = "<img src=x onerror=alert(1)>"


def clicks(path: Path, *, seconds: float = 8.0, **tags: str) -> Path:
    """A click twice a second."""
    samples = np.zeros(round(seconds * RATE), np.float32)
    for at in np.arange(0, seconds - 0.1, 0.5):
        start = round(at * RATE)
        samples[start : start + 400] = 0.8 * np.hanning(400)
    with sf.SoundFile(path, "w", RATE, 1) as sound:
        for name, value in tags.items():
            setattr(sound, name, value)
        sound.write(samples)
    return path


class SlowMapper:
    """Stands for the model: a note a bar, a bar every few milliseconds."""

    def __init__(self, bars: int = 4) -> None:
        self.bars = bars
        self.running = 0
        self.most_running = 0

    def listen(self, request: LevelRequest, *, keep_sound: bool) -> SimpleNamespace:
        if not Path(request.song).exists():
            raise ValueError(f"{request.song}: expected a sound file, found nothing there")
        return SimpleNamespace(request=request)

    def map(self, heard: SimpleNamespace, *, progress) -> SimpleNamespace:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            for bar in range(self.bars):
                time.sleep(0.01)
                progress(bar + 1, self.bars)
        finally:
            self.running -= 1
        request = heard.request
        tempo = TempoEstimate(120.0, 0.0, 0.9, "found")

        def save(out: Path) -> None:
            meta = SongMeta(request.title or "x", request.artist or "")
            beatmap = Beatmap(color_notes=(ColorNote(8, 1, 0, 0, 1), ColorNote(9, 2, 0, 1, 1)))
            jumps = {"Expert": NoteJump(14.0, 0.0)}
            song = Path(request.song)
            pack_level(out, song, 120.0, 0.0, {"Expert": beatmap}, meta, note_jumps=jumps)

        return SimpleNamespace(save=save, tempo=tempo)


def studio_with(mapper: object, folder: Path) -> Studio:
    (folder / "levels").mkdir()
    studio = Studio(folder / "levels")
    studio.mapper = mapper  # the property is cached: this one is used
    return studio


def finished(job: Job) -> Job:
    end = time.monotonic() + 30
    while not job.finished:
        assert time.monotonic() < end, job.stage
        time.sleep(0.01)
    return job


def test_a_job_makes_levels_with_a_page_and_a_verdict(tmp_path: Path) -> None:
    studio = studio_with(SlowMapper(), tmp_path)
    request = LevelRequest.of(clicks(tmp_path / "a.wav"), title=EVIL, artist="A/B: C")
    job = finished(studio.start("me", [request]))
    assert (job.stage, job.problems) == ("done", [])
    (level,) = studio.made_by("me")
    assert studio.made_by("you") == []
    assert level.report.valid
    assert level.title == EVIL
    assert level.archive.name == "A B C - img src=x onerror=alert(1).zip"
    assert "\\u003cimg" in level.page.read_text("utf-8")
    assert EVIL not in level.page.read_text("utf-8")


def test_a_stopped_job_ends_at_a_bar_and_the_next_one_runs(tmp_path: Path) -> None:
    mapper = SlowMapper(bars=1_000)
    studio = studio_with(mapper, tmp_path)
    request = LevelRequest.of(clicks(tmp_path / "a.wav"))
    job = studio.start("me", [request, request])
    while job.bars < 60:
        time.sleep(0.005)
    assert job.seconds_left is not None
    assert job.seconds_left > 0
    studio.stop("me")
    finished(job)
    assert (job.stage, job.levels, mapper.running) == ("stopped", [], 0)
    assert list(studio.root.iterdir()) == []
    mapper.bars = 2
    assert len(finished(studio.start("me", [request])).levels) == 1


def test_the_same_again_has_another_seed_and_knows_what_was_before(tmp_path: Path) -> None:
    studio = studio_with(SlowMapper(), tmp_path)
    with pytest.raises(ValueError, match="first"):
        studio.again("me")
    request = LevelRequest.of(clicks(tmp_path / "a.wav"), seed=2_000_000)
    first = finished(studio.start("me", [request])).levels[0]
    assert first.other is None
    second = finished(studio.again("me")).levels[0]
    third = finished(studio.again("me")).levels[0]
    assert (second.other, third.other) == (first.key, second.key)
    assert len({one.request.seed for one in (first, second, third)}) == 3
    assert [one.key for one in studio.made_by("me")] == [third.key, second.key, first.key]


def test_work_on_a_level_is_a_job_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = studio_with(SlowMapper(), tmp_path)
    song = LevelRequest.of(clicks(tmp_path / "a.wav"))
    first = finished(studio.start("me", [song])).levels[0]
    seeds = []

    def run(self: LevelWork, mapper: object, progress) -> SimpleNamespace:
        assert mapper is studio.mapper
        seeds.append(self.request.seed)
        progress(1, 2)
        return SimpleNamespace(
            save=lambda out: shutil.copy(self.level, out), warnings=("made for mods",)
        )

    monkeypatch.setattr(LevelWork, "run", run)
    work = LevelWork(first.archive, "range", song, span="16-32b")
    made = finished(studio.start("me", [work])).levels[0]
    assert (made.report.valid, made.tempo, made.archive.name) == (True, None, "a.zip")
    assert made.archive != first.archive
    assert (made.warnings, first.warnings) == (("made for mods",), ())
    again = finished(studio.again("me")).levels[0]
    assert again.other == made.key
    assert seeds[0] != seeds[1]
    (tmp_path / "no.zip").write_bytes(b"no zip")
    monkeypatch.undo()
    bad = finished(studio.start("me", [LevelWork(tmp_path / "no.zip", "lights", song)]))
    assert bad.levels == []
    assert bad.problems[0].startswith("no.zip: ")
    with pytest.raises(ValueError, match="task"):
        LevelWork(first.archive, "everything", song)
    with pytest.raises(ValueError, match="range"):
        LevelWork(first.archive, "range", song, span="all of it")


def test_two_people_take_turns_and_one_who_waits_can_leave(tmp_path: Path) -> None:
    mapper = SlowMapper(bars=30)
    studio = studio_with(mapper, tmp_path)
    request = LevelRequest.of(clicks(tmp_path / "a.wav"))
    jobs = [studio.start(name, [request, request]) for name in ("me", "you", "they")]
    studio.stop("they")
    for job in jobs:
        finished(job)
    assert [len(job.levels) for job in jobs] == [2, 2, 0]
    assert mapper.most_running == 1


def test_one_bad_song_does_not_end_the_others(tmp_path: Path) -> None:
    studio = studio_with(SlowMapper(), tmp_path)
    good, gone = clicks(tmp_path / "a.wav"), clicks(tmp_path / "gone.wav")
    requests = [LevelRequest.of(gone), LevelRequest.of(good)]
    gone.unlink()
    job = finished(studio.start("me", requests))
    assert len(job.levels) == 1
    (problem,) = job.problems
    assert problem.startswith("gone.wav: expected a sound file")
    assert str(tmp_path) not in problem


def test_a_song_removed_while_it_is_mapped_is_said_so(tmp_path: Path) -> None:
    song = clicks(tmp_path / "a.wav")

    class Removing(SlowMapper):
        def map(self, heard, *, progress):
            song.unlink()
            return super().map(heard, progress=progress)

    job = finished(studio_with(Removing(), tmp_path).start("me", [LevelRequest.of(song)]))
    assert job.levels == []
    assert "nothing there" in job.problems[0]


def test_a_fault_inside_is_told_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(SlowMapper):
        def map(self, heard, *, progress):
            raise RuntimeError("tensor trouble")

    studio = studio_with(Broken(), tmp_path)
    job = finished(studio.start("me", [LevelRequest.of(clicks(tmp_path / "a.wav"))]))
    assert "something went wrong" in job.problems[0]
    assert "tensor trouble" in caplog.text


def test_many_levels_in_one_zip(tmp_path: Path) -> None:
    import zipfile

    studio = studio_with(SlowMapper(), tmp_path)
    request = LevelRequest.of(clicks(tmp_path / "a.wav"))
    job = finished(studio.start("me", [request, request]))
    archive = studio.archive_of([level.key for level in job.levels])
    assert zipfile.ZipFile(archive).namelist() == ["a.zip", "a_.zip"]
    with pytest.raises(KeyError):
        studio.archive_of(["../../etc"])


def test_what_is_heard_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    studio = Studio(tmp_path)
    song = clicks(tmp_path / "x.wav", title=f" Tune\n{EVIL} ", artist="Somebody")
    heard = studio.hear(song)
    assert heard.problem == ""
    assert heard.tempo is not None
    assert (heard.title, heard.artist) == (f"Tune {EVIL}", "Somebody")
    assert heard.seconds == pytest.approx(8)
    broken = tmp_path / "broken.mp3"
    broken.write_bytes(b"not a song")
    silent = tmp_path / "Artist - Silence.wav"
    sf.write(silent, np.zeros(RATE * 8, np.float32), RATE)
    for path, wanted in (
        (broken, "expected"),
        (silent, "silence"),
        (tmp_path / "no.ogg", "nothing"),
    ):
        found = studio.hear(path)
        assert found.tempo is None
        assert wanted in found.problem
        assert str(tmp_path) not in found.problem
    assert (read_meta(silent).title, read_meta(silent).artist) == ("Silence", "Artist")
    monkeypatch.setattr("saberlm.infer.studio.MAX_SONG_SECONDS", 5.0)
    assert "at most" in studio.hear(song).problem
    assert MAX_SONG_SECONDS > 600


@pytest.mark.parametrize(
    ("artist", "title", "name"),
    [
        ("", "..", "level"),
        (None, "a/b\\c", "a b c"),
        ("A", 'x"y', "A - x y"),
        ("", "x" * 200, "x" * 80),
    ],
)
def test_file_names_fit_every_system(artist: str | None, title: str, name: str) -> None:
    assert safe_name(artist, title) == name


def test_a_style_pack_is_a_model_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SABERLM_PACKS", str(tmp_path / "packs"))
    (tmp_path / "packs").mkdir()
    (tmp_path / "packs" / "one.safetensors").write_bytes(b"")
    loaded = []

    def load(model: str, *, lora: Path, device: str) -> SlowMapper:
        loaded.append((model, lora.name))
        return SlowMapper()

    monkeypatch.setattr("saberlm.infer.studio.Mapper.from_pretrained", load)
    studio = studio_with(SlowMapper(), tmp_path)
    request = LevelRequest.of(clicks(tmp_path / "a.wav"))
    for _ in range(2):
        made = finished(studio.start("me", [request], lora="one")).levels[0]
        assert made.lora == "one"
    assert loaded == [("nano", "one.safetensors")]
    again = finished(studio.again("me")).levels[0]
    assert again.lora == "one"
    assert finished(studio.start("me", [request])).levels[0].lora is None
    lost = finished(studio.start("me", [request], lora="none there"))
    assert "expected a pack" in lost.problems[0]
