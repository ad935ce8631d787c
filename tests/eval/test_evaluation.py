"""Evaluations: rows to means and back, what moved between two, and pages that need nothing else."""

import json
import re
from dataclasses import replace

import pytest
from map_kit import TEMPO, notes_at, random_map

from saberlm.eval.compare import compare, comparison_markdown
from saberlm.eval.curves import density_curve, histograms
from saberlm.eval.evaluation import ALL, HUMAN, OTHER_SONG, Evaluation, MapRow, map_row, markdown
from saberlm.eval.html import html_table, page, paragraph
from saberlm.eval.judge import judge_map

SYSTEMS = (HUMAN, "half beat", "onset peaks", "tiny off", "tiny soft", "tiny off" + OTHER_SONG)


def evaluation(songs=6, model="tiny", lift=0.1, difficulties=("Hard", "Expert")):
    rows = []
    for song in range(songs):
        human = random_map(song, 40)
        for difficulty in difficulties:
            for at, system in enumerate(SYSTEMS):
                made = human if system == HUMAN else random_map(100 * song + at, 40)
                judged = judge_map(made, TEMPO, difficulty, human=human, human_tempo=TEMPO)
                name = system.replace("tiny", model)
                row = map_row(str(song), name, judged, made, TEMPO, {"decode_seconds": 1.0})
                heard = 0.5 + 0.01 * song + (lift if name.endswith((" off", " soft")) else 0)
                rows.append(replace(row, metrics=row.metrics | {"f1@50": heard}))
    about = {"models": [model], "seed": 1, "split": "valid", "songs": songs, "given": ["bpm"]}
    return Evaluation(about, tuple(rows), {"0": {"tiny off": 1.5}}, {"song that cannot be read": 2})


def test_an_evaluation_survives_its_file():
    ours = evaluation(3)
    text = json.dumps(ours.to_dict(), allow_nan=False)
    theirs = Evaluation.from_dict(json.loads(text))
    assert theirs == ours
    assert theirs.difficulties == ["Hard", "Expert"]
    assert theirs.systems == list(SYSTEMS)


def test_the_summary_states_means_over_the_maps():
    found = evaluation(4).to_dict()
    (cell,) = [
        one
        for one in found["summary"]
        if (one["system"], one["difficulty"], one["metric"]) == ("tiny off", ALL, "f1@50")
    ]
    assert cell["mean"] == pytest.approx(0.615)
    assert (cell["maps"], cell["songs"]) == (8, 4)
    assert cell["low"] < cell["mean"] < cell["high"]
    lifts = {(one["system"], one["difficulty"], one["metric"]): one for one in found["lifts"]}
    gain = lifts["tiny off", "Expert", "f1@50"]
    assert gain["mean"] == gain["low"] == gain["high"] == pytest.approx(0.1)
    assert ("tiny soft", "Expert", "f1@50") not in lifts


def test_the_table_shows_every_system_and_what_was_left_out():
    text = markdown(evaluation(3))
    assert all(f"| {system} |" in text for system in SYSTEMS)
    assert "F1@50 over another song's audio +0.100" in text
    assert "left out: song that cannot be read: 2" in text
    widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert len(widths) == 1


def test_another_file_is_refused():
    for data in ({}, {"format": 99, "rows": []}, {"format": 1, "rows": [{"song": "a"}]}):
        with pytest.raises(ValueError, match="expected"):
            Evaluation.from_dict(data)


def test_only_what_moved_is_said_to_have():
    before, after = evaluation(lift=0.1), evaluation(lift=0.2)
    moved = compare(before, after).moved
    assert {one.metric for one in moved} == {"f1@50"}
    assert {one.system for one in moved} == {"model off", "model soft"}
    assert {one.difficulty for one in moved} == {"Hard", "Expert", ALL}
    assert all(one.change.mean == pytest.approx(0.1) for one in moved)
    assert compare(before, before).moved == ()
    assert "0 of 0 figures moved" in comparison_markdown(compare(before, before))


def test_scatter_without_a_trend_is_noise():
    before = evaluation(12, difficulties=("Hard",))
    rows = [
        replace(r, metrics=r.metrics | {"f1@50": r.metrics["f1@50"] + (-1) ** int(r.song) * 0.05})
        for r in before.rows
    ]
    moved = {one.metric for one in compare(before, replace(before, rows=tuple(rows))).moved}
    assert "f1@50" not in moved


def test_models_of_other_names_are_compared_one_to_one():
    comparison = compare(evaluation(5, "nano"), evaluation(5, "mega/final", lift=0.3))
    assert {"model off", "model soft"} == {one.system for one in comparison.moved}
    assert comparison.unmatched == ()


def test_few_songs_or_none_in_common_say_nothing():
    few = compare(evaluation(4, lift=0.1), evaluation(4, lift=0.4))
    assert few.moved == ()
    assert "under 5 songs" in comparison_markdown(few)
    other = replace(evaluation(2), rows=(MapRow("else", "Easy", HUMAN, {"nps": 1.0}),))
    with pytest.raises(ValueError, match="expected two reports with maps in common"):
        compare(evaluation(2), other)


def self_contained(text):
    """Nothing is fetched: no address outside the carried pictures."""
    outside = re.sub(r"base64,[A-Za-z0-9+/=]*", "", text)
    assert not re.search(r"(src|href)=\"(?!data:)|https?:|<script|@import|url\(", outside)
    assert text.startswith("<!doctype html>")


def test_pages_escape_what_they_show():
    text = page("<b>", [paragraph("a & <script>x</script>"), html_table(["<t>"], [["<i>"]], (0,))])
    assert "<script>" not in text
    assert "<i>" not in text
    self_contained(text)


def test_an_interval_stands_below_its_number():
    text = html_table(["a", "b"], [["<x> 0.5 [0.1, 0.9]", "1.0"]])
    assert "<td>&lt;x&gt; 0.5<small>[0.1, 0.9]</small></td><td>1.0</td>" in text


def test_the_report_page_stands_alone_and_repeats():
    pytest.importorskip("matplotlib")
    from saberlm.eval.evaluation_page import evaluation_page

    text = evaluation_page(evaluation(2))
    self_contained(text)
    assert text.count("<img") == 7
    assert all(system in text for system in SYSTEMS)
    assert text == evaluation_page(evaluation(2))


def test_the_page_of_a_run_without_models_or_overlap_is_drawn():
    pytest.importorskip("matplotlib")
    from saberlm.eval.evaluation_page import evaluation_page

    judged = judge_map(notes_at(), TEMPO, "Easy", human=notes_at(), human_tempo=TEMPO)
    row = map_row("a", HUMAN, judged, notes_at(), TEMPO)
    self_contained(evaluation_page(Evaluation({"models": []}, (row,))))


def test_curves_count_every_note():
    beatmap = random_map(3)
    for window in (0.5, 2.0, 60.0):
        curve = density_curve(beatmap, TEMPO, window)
        assert sum(curve) * window == pytest.approx(len(beatmap.color_notes), abs=0.1)
    assert density_curve(notes_at(), TEMPO, 1.0) == []
    assert len(density_curve(notes_at(1, 1e9), TEMPO, 1.0)) <= 5000
    for shares in histograms(beatmap, TEMPO).values():
        assert sum(shares.values()) == pytest.approx(1, abs=1e-4)
