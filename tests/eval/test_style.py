"""Style distances: identity, symmetry, bounds, what they notice and what they do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from map_kit import TEMPO, notes_at, random_map
from scipy.spatial.distance import jensenshannon

from saberlm.eval.corruptions import CORRUPTIONS
from saberlm.eval.style import (
    StyleCounts,
    StyleReference,
    hand_distance,
    js_distance,
    unique_windows,
)
from saberlm.prompts.beatmap import Beatmap
from saberlm.prompts.mirror import mirror
from saberlm.prompts.tempo import TempoMap

HISTOGRAM = st.dictionaries(st.integers(-5, 5), st.integers(1, 50), max_size=8).map(
    lambda found: (
        np.array(sorted(found), np.int64),
        np.array([found[key] for key in sorted(found)], np.float64),
    )
)


@given(HISTOGRAM, HISTOGRAM)
def test_distance_as_scipy(first, second) -> None:
    distance = js_distance(first, second)
    assert distance == js_distance(second, first)
    if not len(first[0]) or not len(second[0]):
        assert distance is None
        return
    rows = np.zeros((2, 11))
    for row, (values, counts) in zip(rows, (first, second), strict=True):
        row[values + 5] = counts
    assert 0 <= distance <= 1
    # the square root of a divergence that should be 0 keeps half of its rounding
    assert distance == pytest.approx(np.nan_to_num(jensenshannon(*rows, base=2)), abs=1e-7)


def test_a_map_is_its_own_style() -> None:
    counts = StyleCounts.of(random_map(1), TEMPO)
    assert set(counts.distances(counts).to_dict().values()) == {0.0}


@pytest.mark.parametrize("change", ["mirror", "later", "half tempo"])
def test_the_same_style(change: str) -> None:
    human = random_map(2)
    tempo = TEMPO
    if change == "mirror":
        other = mirror(human)
    elif change == "later":
        notes = tuple(replace(n, beat=n.beat + 3.37) for n in human.color_notes)
        other = replace(human, color_notes=notes)
    else:
        notes = tuple(replace(n, beat=n.beat / 2) for n in human.color_notes)
        other, tempo = replace(human, color_notes=notes), TempoMap(60.0)
    distances = StyleCounts.of(human, TEMPO).distances(StyleCounts.of(other, tempo))
    assert set(distances.to_dict().values()) == {0.0}
    assert unique_windows(other, tempo) == unique_windows(human, TEMPO)


def test_aspects_notice_what_they_are_of() -> None:
    """Each aspect moves under its own corruption and stays still under the others'."""
    # few cells and directions, so that other ones stand out
    notes = [replace(n, y=0, direction=i // 2 % 2) for i, n in enumerate(random_map(3).color_notes)]
    human = Beatmap(color_notes=tuple(sorted(notes)))
    before = StyleCounts.of(human, TEMPO)

    def moved(name: str) -> set[str]:
        after = StyleCounts.of(CORRUPTIONS[name](human, TEMPO, 0), TEMPO)
        return {a for a, d in before.distances(after).to_dict().items() if d and d > 0.05}

    assert moved("random cells") == {"cells", "cuts"}
    assert "gaps" in moved("off beat")
    assert not {"cells", "directions", "cuts", "direction_pairs"} & moved("off beat")
    shuffled = moved("shuffle directions")
    assert {"direction_pairs", "patterns"} <= shuffled
    assert not {"cells", "directions", "gaps"} & shuffled
    assert moved("strip lights") == moved("shift by 60 ms") == set()


def test_reference_leaves_a_member_out() -> None:
    maps = [(random_map(seed), TEMPO) for seed in range(6)]
    whole = StyleReference.from_maps(maps)
    others = StyleReference.from_maps(maps[1:])
    assert whole.maps == 6
    left = whole.distances(*maps[0], is_member=True).to_dict()
    assert left == pytest.approx(others.distances(*maps[0]).to_dict())
    low, middle, high = whole.human["cells"]
    assert 0 < low <= middle <= high < 1


def test_halves_are_nearer_than_a_stranger() -> None:
    maps = [(random_map(seed), TEMPO) for seed in range(8)]
    reference = StyleReference.from_maps(maps)
    halves = reference.halves(seed=1)
    assert halves == reference.halves(seed=1) != reference.halves(seed=2)
    ratios = reference.set_distances([(notes_at(*range(40)), TEMPO)]).over(halves)
    assert ratios.pop("gaps") is None  # the random maps' are all alike: no yardstick
    assert all(ratio > 1 for ratio in ratios.values())
    assert set(reference.set_distances(maps).to_dict().values()) == {0}
    assert set(halves.over(halves).values()) == {1, None}
    # one map is further from the others than half of them
    assert reference.halves(1, size=1).cells > halves.cells
    alone = StyleReference.from_maps(maps[:1])
    assert set(alone.halves().to_dict().values()) == {None}
    assert set(halves.over(alone.halves()).values()) == {None}


def test_hands() -> None:
    human = random_map(5)
    even = Beatmap(color_notes=tuple(sorted({*human.color_notes, *mirror(human).color_notes})))
    assert hand_distance(even) == 0
    assert hand_distance(mirror(human)) == hand_distance(human)
    assert hand_distance(CORRUPTIONS["mirror one hand"](human, TEMPO, 0)) == 1
    assert hand_distance(notes_at(1, 2)) is None


def test_unique_windows() -> None:
    assert unique_windows(notes_at(*range(13)), TEMPO) == 1 / 10
    assert unique_windows(notes_at(1, 2, 3), TEMPO) is None
    assert unique_windows(random_map(4), TEMPO) > 0.9


@pytest.mark.parametrize("beats", [(), (4,), (4, 5)])
def test_edges(beats: tuple[float, ...]) -> None:
    empty = StyleReference.from_maps([])
    assert (empty.maps, empty.human) == (0, {})
    small = notes_at(*beats)
    assert set(empty.distances(small, TEMPO).to_dict().values()) == {None}
    some = StyleReference.from_maps([(random_map(1), TEMPO)])
    assert some.human == {}
    found = some.distances(small, TEMPO)
    assert (found.cells is None) == (not beats)
    assert (found.gaps is None) == (len(beats) < 2)
    assert found.patterns is None
