"""The bar while a song is mapped: a share of what there is to do, which may grow on the way."""

import re

import pytest

from saberlm.scripts.progress import mapping_progress


def test_a_share_is_shown_and_the_end_is_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    with mapping_progress() as advance:
        for done, total in ((0, 40), (10, 40), (40, 80), (80, 80)):
            advance(done, total)
    said = capsys.readouterr().err
    shares = [int(share) for share in re.findall(r"(\d+) %", said)]
    assert shares == sorted(shares)
    assert shares[-1] == 100
    assert "bar" not in said, "bars of notes and of lights are none that a person counts"


def test_compiling_is_not_counted_in_what_is_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("saberlm.infer.pace.time.monotonic", lambda: now)
    monkeypatch.setattr("saberlm.infer.kernels.kept_on_disk", lambda: False)
    with mapping_progress() as advance:
        for bar in range(1, 101):
            now += 60.0 if bar <= 5 else 1.0  # the first bars wait for what is compiled
            advance(bar, 100)
    said = capsys.readouterr().err
    assert "compiling" in said.split("\r")[1]
    left = [int(m) * 60 + int(s) for m, s in re.findall(r"(\d+):(\d+) left", said)]
    assert left
    assert max(left) <= 95
    assert left[-1] == 0
