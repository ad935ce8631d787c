"""How two cuts stand to each other: known doubles and moves, mirrors, the shipped counts."""

from pathlib import Path

import numpy as np
import pytest
from map_kit import random_map
from rule_kit import notes

from saberlm.eval.relations import (
    AFTER_BOTH,
    AFTER_ONE,
    CELLS,
    DIRECTION_CLASS,
    DIRECTIONS,
    DISTANCE_CLASS,
    DISTANCES,
    HAND_RUNS,
    HAND_SECONDS,
    PLACE_CLASS,
    PLACES,
    RETURNS,
    TIMES,
    Relations,
    relations_of,
    usual_relations,
    write_usual_relations,
)
from saberlm.prompts.beatmap import DIFFICULTIES, Beatmap, CutDirection
from saberlm.prompts.mirror import MIRRORED_DIRECTION, mirror
from saberlm.prompts.tempo import TempoMap

D = CutDirection
SECONDS = TempoMap(60.0)
RED, BLUE = 0, 1


@pytest.mark.parametrize(
    ("left", "right", "found"),
    [
        (D.DOWN, D.DOWN, "same"),
        (D.LEFT, D.LEFT, "same"),
        (D.LEFT, D.RIGHT, "mirrored"),
        (D.UP_LEFT, D.UP_RIGHT, "mirrored"),
        (D.UP_RIGHT, D.UP_LEFT, "mirrored"),
        (D.DOWN, D.DOWN_LEFT, "near"),
        (D.DOWN, D.RIGHT, "square"),
        (D.UP_LEFT, D.DOWN_LEFT, "square"),
        (D.UP, D.DOWN_LEFT, "far"),
        (D.UP, D.DOWN, "opposite"),
        (D.UP_LEFT, D.DOWN_RIGHT, "opposite"),
        (D.ANY, D.DOWN, "dot"),
        (D.ANY, D.ANY, "dot"),
    ],
)
def test_doubles_by_direction(left: CutDirection, right: CutDirection, found: str) -> None:
    counts = relations_of(notes((1, 1, 0, RED, left), (1, 2, 0, BLUE, right)), SECONDS)
    assert counts.directions.sum() == 1
    assert counts.directions[DIRECTIONS.index(found)] == 1


def test_doubles_by_place() -> None:
    pairs = [((1, 0), (2, 0), "1,0"), ((0, 0), (3, 2), "3,2"), ((2, 1), (2, 0), "0,1")]
    pairs += [((3, 0), (0, 0), "crossed,0"), ((2, 0), (1, 2), "crossed,2")]
    for (x, y), (to_x, to_y), found in pairs:
        made = notes((1, x, y, RED, D.DOWN), (1, to_x, to_y, BLUE, D.DOWN))
        counts = relations_of(made, SECONDS)
        assert counts.places[PLACES.index(found)] == 1 == counts.places.sum()


def test_moves_by_time_and_distance() -> None:
    made = notes(
        (0, 0, 0, BLUE, D.DOWN),
        (0.2, 0, 0, BLUE, D.UP),
        (0.5, 1, 0, BLUE, D.DOWN),
        (1, 0, 1, BLUE, D.UP),
        (2, 2, 2, BLUE, D.DOWN),
        (2.1, 2, 1, BLUE, D.DOWN),  # the same swing
        (2.4, 0, 0, BLUE, D.UP),
        (9, 3, 2, BLUE, D.DOWN),
    )
    counts = relations_of(made, SECONDS)
    expected = {
        ("under .25 s", "same cell"): 1,
        ("under .4 s", "next"): 1,
        ("under .75 s", "aslant"): 1,
        ("longer", "far"): 1,
        ("under .4 s", "far"): 1,
        ("longer", "across"): 1,
    }
    for i, time in enumerate(TIMES):
        for k, distance in enumerate(DISTANCES):
            assert counts.moves[i, k] == expected.get((time, distance), 0)
    assert counts.metrics()["move:fast_far"] == 0
    assert counts.metrics()["double:same_way"] is None


def test_shares_are_of_what_there_is() -> None:
    made = notes(
        *((beat, 1, 0, RED, D.DOWN) for beat in range(4)),
        *((beat, 2, 0, BLUE, D.DOWN) for beat in range(3)),
        (3, 2, 0, BLUE, D.UP),
        (3.3, 0, 2, BLUE, D.UP),
    )
    found = relations_of(made, SECONDS).metrics()
    assert found == {
        "double:same_way": 0.75,
        "double:opposite": 0.25,
        "double:goes_on": 0.75,  # after three of the four another
        "move:fast_far": 1.0,
        "move:fast_return": 0.0,
        "move:fast_answer": None,
    }
    assert set(relations_of(Beatmap(), SECONDS).metrics().values()) == {None}


def test_returns_by_time() -> None:
    made = notes(
        (0, 2, 0, BLUE, D.DOWN),
        (0.2, 2, 0, BLUE, D.UP),
        (0.4, 2, 0, BLUE, D.DOWN),  # back
        (0.42, 2, 1, BLUE, D.DOWN),  # the same swing
        (0.8, 1, 0, BLUE, D.UP),  # the way of the last but one, in another cell
        (1.1, 1, 0, BLUE, D.DOWN_LEFT),
        (4, 1, 0, BLUE, D.UP),
        (4.3, 0, 0, RED, D.UP),  # another hand
    )
    counts = relations_of(made, SECONDS)
    # by time: cut, direction, neither
    assert counts.returns.tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 0], [1, 0, 0]]
    assert counts.metrics()["move:fast_return"] == pytest.approx(1 / 3)


def test_answers_mirror_the_other_hand() -> None:
    made = notes(
        (0, 1, 0, RED, D.DOWN_LEFT),
        (0.2, 2, 0, BLUE, D.DOWN_RIGHT),  # its mirror image
        (0.5, 0, 0, RED, D.DOWN_LEFT),  # the way alone
        (0.7, 2, 0, BLUE, D.DOWN_LEFT),  # neither
        (0.9, 2, 0, BLUE, D.UP),  # the same hand: no answer
        (1.9, 1, 0, RED, D.UP),  # long after
        (1.9, 2, 0, BLUE, D.UP),  # both: none
        (2.4, 1, 0, RED, D.UP),
    )
    counts = relations_of(made, SECONDS)
    # by time: cut, direction, neither
    assert counts.answers.tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert counts.metrics()["move:fast_answer"] == pytest.approx(1 / 3)


def test_hands_by_how_long_they_have_swung() -> None:
    both = [(0, RED), (0, BLUE), (1, RED), (1, BLUE), (2, RED), (2, BLUE)]
    made = notes(*((b, 1 + h, 0, h, D.DOWN) for b, h in [*both, *((b, RED) for b in range(3, 9))]))
    counts = relations_of(made, SECONDS)
    after_both, after_one = counts.after_both.sum(0), counts.after_one.sum(0)
    assert after_both.tolist() == [[0, 1], [0, 1], [1, 0], [0, 0]]
    again = [row[AFTER_ONE.index("again")] for row in after_one]
    assert again == [1, 1, 1, 2]
    assert after_one.sum() == 5


@pytest.mark.parametrize("seed", range(4))
def test_a_mirrored_map_holds_the_same(seed: int) -> None:
    made = random_map(seed)
    counts, image = (relations_of(one, SECONDS) for one in (made, mirror(made)))
    for name in vars(counts):
        assert np.array_equal(getattr(counts, name), getattr(image, name))
    assert counts.directions.sum() > 0
    assert counts.moves.sum() > 0


def test_tables_know_every_pair_and_mirror() -> None:
    for left in range(9):
        for right in range(9):
            image = DIRECTION_CLASS[MIRRORED_DIRECTION[right], MIRRORED_DIRECTION[left]]
            assert image == DIRECTION_CLASS[left, right]
    assert set(DIRECTION_CLASS.ravel()) == set(range(len(DIRECTIONS)))
    assert set(PLACE_CLASS.ravel()) == set(range(len(PLACES)))
    assert set(DISTANCE_CLASS.ravel()) == set(range(len(DISTANCES)))
    assert np.array_equal(DISTANCE_CLASS, DISTANCE_CLASS.T)
    assert (np.diag(DISTANCE_CLASS) == 0).all()
    assert DISTANCE_CLASS.shape == (CELLS, CELLS)


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
def test_what_ships_has_doubles_that_go_the_same_way(difficulty: str) -> None:
    usual = usual_relations(difficulty)
    assert usual is not None
    assert usual.directions.shape == (len(DIRECTIONS),)
    assert usual.places.shape == (len(PLACES),)
    assert usual.moves.shape == (len(TIMES), len(DISTANCES))
    assert usual.directions.argmax() == DIRECTIONS.index("same")
    assert (usual.moves.sum(1) > 0).all()
    assert usual.returns.shape == usual.answers.shape == (len(TIMES), len(RETURNS))
    runs = (len(HAND_SECONDS) + 1, HAND_RUNS)
    assert usual.after_one.shape == (*runs, len(AFTER_ONE))
    assert usual.after_both.shape == (*runs, len(AFTER_BOTH))
    on = usual.after_both.sum(0)
    goes_on = on[:, 1] / on.sum(1)
    assert goes_on[0] + 0.1 < goes_on[1:].min()  # doubles that have lasted are surer to go on


def test_written_counts_come_back(tmp_path: Path) -> None:
    counts = relations_of(random_map(1), SECONDS)
    path = tmp_path / "relations.json"
    write_usual_relations(path, {"Hard": counts})
    back = usual_relations("Hard", path)
    assert isinstance(back, Relations)
    for name, value in vars(counts).items():
        assert np.array_equal(getattr(back, name), value)
    assert usual_relations("Expert", path) is None
    assert usual_relations("Hard", tmp_path / "none.json") is None
    assert [one.name for one in tmp_path.iterdir()] == ["relations.json"]
