"""Kinds: known pieces of small maps, mirrors, distances, and what is found to differ."""

import numpy as np
import pytest
from map_kit import random_map
from rule_kit import notes

from saberlm.eval.kinds import MIN_NOTES, compare_kinds, distance, kinds_of, pooled
from saberlm.prompts.beatmap import Beatmap, CutDirection
from saberlm.prompts.mirror import mirror
from saberlm.prompts.tempo import TempoMap

D = CutDirection
TEMPO = TempoMap(120.0)
RED, BLUE = 0, 1


def stream(count: int = 40, gap: float = 0.5) -> Beatmap:
    """Hands in turn, each to and fro in its own cell."""
    return notes(
        *((gap * i, 1 + i % 2, 0, i % 2, (D.DOWN, D.UP)[i // 2 % 2]) for i in range(count))
    )


def test_a_stream_is_one_of_everything() -> None:
    found = kinds_of(stream(), TEMPO)
    assert found is not None
    assert found["gaps, two"] == {("1/2", "1/2"): 38}
    assert found["gaps, runs"] == {("1/2", 9): 1}
    assert found["bar, moments"] == {8: 5}
    assert set(found["hands, three"]) == {"LRL"}
    assert found["swing, back to the last but one"] == {True: 36}
    assert found["notes at a moment"] == {(1, False): 40}
    assert found["swing, gap"] == {"1": 38}
    # down, its mirror image, up, its mirror image, and down again three ago
    assert found["seen ago"] == {0: 2, 1: 20, 2: 18}
    assert not found["double, cells"]


def test_doubles_and_sliders_are_told() -> None:
    pairs = [(beat, 1 + hand, 0, hand, D.DOWN) for beat in range(20) for hand in (RED, BLUE)]
    found = kinds_of(notes(*pairs), TEMPO)
    assert found is not None
    assert found["hands, three"] == {"DDD": 18}
    assert found["double, ways"] == {(D.DOWN, D.DOWN): 20}
    assert found["notes at a moment"] == {(2, True): 20}
    slider = [(beat + x / 16, 0, x, RED, D.UP) for beat in range(15) for x in range(3)]
    slid = kinds_of(notes(*slider), TEMPO)
    assert slid is not None
    assert slid["swing, gap"] == {"1": 14}, "a slider is one swing"


@pytest.mark.parametrize("seed", range(4))
def test_a_mirrored_map_has_the_same_kinds(seed: int) -> None:
    made = random_map(seed)
    assert kinds_of(made, TEMPO) == kinds_of(mirror(made), TEMPO)


def test_short_maps_have_none_and_half_tempo_is_the_same() -> None:
    assert kinds_of(stream(MIN_NOTES - 1), TEMPO) is None
    assert kinds_of(Beatmap(), TEMPO) is None
    assert kinds_of(stream(gap=0.25), TempoMap(60.0)) == kinds_of(stream(), TEMPO)


def test_distances_lie_between_the_same_and_nothing_in_common() -> None:
    assert distance({"a": 0.5, "b": 0.5}, {"b": 0.5, "a": 0.5}) == pytest.approx(0)
    assert distance({"a": 1.0}, {"b": 1.0}) == pytest.approx(1)
    assert distance({}, {"a": 1.0}) is None
    assert pooled([{"x": {1: 30}}, {"x": {1: 1, 2: 1}}, {}], "x") == {1: 0.75, 2: 0.25}


def test_what_differs_is_found_first_and_what_is_alike_is_not() -> None:
    rng = np.random.default_rng(0)

    def made(returns: bool) -> Beatmap:
        """Hands in turn at random cells; one hand to and fro, or not."""
        rows, cells = [], [[0, 0], [0, 0]]
        for i in range(120):
            hand, k = i % 2, i // 2
            if not returns or k < 2:
                cells[hand][k % 2] = int(rng.integers(3))
            row = cells[hand][k % 2]
            rows.append((i / 2, 1 + hand, row, hand, (D.DOWN, D.UP)[k % 2]))
        return notes(*rows)

    reference = [found for _ in range(30) if (found := kinds_of(made(False), TEMPO))]
    alike = [found for _ in range(8) if (found := kinds_of(made(False), TEMPO))]
    other = [found for _ in range(8) if (found := kinds_of(made(True), TEMPO))]
    worst = compare_kinds(other, reference, alike)
    assert worst[0].times > 5
    assert {one.kind for one in worst[:4]} & {"swing, back to the last but one", "seen ago"}
    back = next(one for one in worst if one.kind.startswith("swing, back"))
    assert back.human is not None
    assert back.human < 3 < back.times
    assert back.most[0][1] != back.most[0][2]
    assert max(one.times for one in compare_kinds(alike, reference)) < 3
    with pytest.raises(ValueError, match="larger reference"):
        compare_kinds(reference, alike)
    with pytest.raises(ValueError, match="larger reference"):
        compare_kinds([], alike)


def test_no_note_is_lost() -> None:
    made = random_map(2)
    found = kinds_of(made, TEMPO)
    assert found is not None
    moments = sum(found["notes at a moment"].values())
    assert sum(size * count for (size, _), count in found["notes at a moment"].items()) == len(
        made.color_notes
    )
    assert sum(found["hands, three"].values()) == moments - 2
