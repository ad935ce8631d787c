"""The corruption experiment: what counts as noticed, and that its tables fit together."""

from __future__ import annotations

from pathlib import Path

import pytest
from level_kit import Kit
from map_kit import TEMPO, random_map

from saberlm.eval.corruptions import CORRUPTIONS
from saberlm.eval.style import StyleReference
from saberlm.scripts.check_corruptions import MAY, MUST, NOTICED, HumanMap, main, measure, noticed


def test_every_corruption_has_a_metric_that_must_notice() -> None:
    assert set(MUST) == set(MAY) == set(CORRUPTIONS)
    for each in (*MUST.values(), *MAY.values()):
        assert set(each) <= set(NOTICED)


@pytest.mark.parametrize(
    ("metric", "before", "after", "expected"),
    [
        ("F1@20", 1.0, 0.5, True),
        ("F1@20", 1.0, 0.9, False),
        ("cells", 0.2, 0.3, True),
        ("cells", 0.3, 0.2, False),
        ("notes/s", 4.0, 8.0, True),
        ("notes/s", 4.0, 4.5, False),
        ("lights/beat", 0.0, 0.0, None),
        ("structure", 0.9, None, True),
        ("structure", None, 0.5, None),
        ("dark bars", 1.0, 1.0, None),
    ],
)
def test_noticed(
    metric: str, before: float | None, after: float | None, expected: bool | None
) -> None:
    assert noticed(metric, before, after) is expected


def test_a_map_as_it_was_and_made_worse() -> None:
    human = HumanMap("song", "Expert", random_map(1), TEMPO)
    others = StyleReference.from_maps([(random_map(s), TEMPO) for s in (2, 3, 4)]).pooled
    before = measure(human, human.beatmap, others)
    assert before["F1@20"] == 1
    assert set(before) == set(NOTICED) - {"own shift", "sound z"}
    for name in ("shift by 60 ms", "strip lights"):
        after = measure(human, CORRUPTIONS[name](human.beatmap, TEMPO, 0), others)
        moved = {m for m in before if noticed(m, before[m], after[m])}
        assert set(MUST[name]) <= moved <= {*MUST[name], *MAY[name]}


def test_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Kit().folder(tmp_path / "train level")
    assert main([str(tmp_path), "--n", "2"]) == 0
    table = capsys.readouterr().out
    assert "Share of 2 human maps" in table
    assert "| strip lights | 0 |" in table
