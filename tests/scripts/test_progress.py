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
