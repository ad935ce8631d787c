"""Control: means, moves and shares of what was asked, as written and as drawn."""

from pathlib import Path

import pytest

from saberlm.eval.control import Control, ControlRow, markdown, summarize


def row(
    song: str,
    nps: float | None = None,
    *,
    asked: float | None = None,
    word: str | None = None,
    avoided: str | None = None,
    scale: float = 1.0,
    **values: float,
) -> ControlRow:
    return ControlRow(song, asked, word, avoided, scale, 100, nps, values)


ROWS = [
    *(row(song, got, asked=2.0) for song, got in (("a", 2.1), ("b", 2.4))),
    *(row(song, got, asked=4.0) for song, got in (("a", 4.0), ("b", 2.2))),
    *(row(song, outer_lanes=value, lights=4.0) for song, value in (("a", 0.2), ("b", 0.4))),
    *(row(song, word="wide", outer_lanes=value) for song, value in (("a", 0.5), ("b", 0.3))),
    *(row(song, scale=2.0, outer_lanes=value) for song, value in (("a", 0.3), ("b", 0.3))),
    row("a", avoided="wide", scale=2.0, outer_lanes=0.1),
    row("b", avoided="wide", scale=2.0),  # too short for a style
    *(row(song, word="sparse lights", lights=1.0) for song in "ab"),
]


@pytest.fixture
def control() -> Control:
    return summarize(ROWS, {"model": "m", "seed": 0})


def test_rates_against_what_was_asked(control: Control) -> None:
    low, high = control.rates
    assert (low.asked, high.asked) == (2.0, 4.0)
    assert low.got.mean == pytest.approx(2.25)
    assert low.ratio.mean == pytest.approx((1.05 + 1.2) / 2)
    assert low.near == 0.5, "2.4 is not within a tenth of 2"
    assert control.rising == 0.5, "song b got fewer for more asked"
    assert control.songs == 2


def test_words_move_within_a_song_at_one_scale(control: Control) -> None:
    words = {word.word: word for word in control.words}
    assert list(words) == ["wide", "sparse lights"]
    wide = words["wide"]
    asked = wide.asked[1.0]
    assert asked.level.mean == pytest.approx(0.4)
    assert asked.move.mean == pytest.approx((0.3 - 0.1) / 2)
    assert asked.right == 0.5
    avoided = wide.avoided[2.0]
    assert avoided.move.songs == 1, "the short map has no measure"
    assert avoided.move.mean == pytest.approx(-0.2)
    assert avoided.right == 1.0, "less is right for a word that is avoided"
    assert set(wide.without) == {1.0, 2.0}
    fewer = words["sparse lights"].asked[1.0]
    assert fewer.move.mean == pytest.approx(-3.0)
    assert fewer.right == 1.0, "less is right for a word that holds up to its threshold"


def test_the_tables_have_a_line_for_each_figure(control: Control) -> None:
    text = markdown(control)
    assert "2 songs; model m, seed 0" in text
    assert "| 4 | 3.10 [2.20, 4.00] |" in text
    assert sum(line.startswith("| wide |") for line in text.splitlines()) == 2, "a line a scale"
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in tables} == {5, 11}
    assert "up to 1.8" in text


def test_nothing_measured_is_nothing_said() -> None:
    empty = summarize([row("a")], {})
    assert (empty.rates, empty.words, empty.rising) == ((), (), None)
    assert "|" not in markdown(empty)
    short = summarize([row("a", None, asked=2.0), row("a", word="wide")], {})
    assert short.rates[0].near is None
    assert short.words[0].asked[1.0].right is None
    assert "| 2 | - | - | - |" in markdown(short)


def test_the_picture_is_drawn_whatever_is_missing(control: Control, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from saberlm.eval.control_plot import plot_control

    plot_control(control, ROWS, tmp_path / "control.png")
    short = [row("a", None, asked=2.0), row("a", word="wide")]
    plot_control(summarize(short, {}), short, tmp_path / "short.png")
    assert {path.name for path in tmp_path.iterdir()} == {"control.png", "short.png"}
    starts = [path.read_bytes()[:4] for path in tmp_path.iterdir()]
    assert starts == [b"\x89PNG"] * 2
