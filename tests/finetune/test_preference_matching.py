"""Matched pairs: clear gaps, like many notes, and sides that agree in all else."""

import numpy as np
import pytest

pytest.importorskip("datasets")

from saberlm.finetune.preference_matching import (
    LEAST_GAP,
    LIKE_NOTES,
    TRAIT_GROUPS,
    Way,
    matched_pairs,
    tilt_table,
    traits,
)
from saberlm.finetune.preferences import bars_of, num_notes
from saberlm.prompts.beatmap import Beatmap, ColorNote
from saberlm.prompts.mirror import mirror


def a_way(rng: np.random.Generator, *, doubles: float, value: float) -> Way:
    """Two bars on one rhythm, with as many doubles as asked for by chance."""
    notes = []
    for step in range(16):
        hands = (0, 1) if rng.random() < doubles else (step % 2,)
        notes += [
            ColorNote(step / 2, 2 * hand + int(rng.integers(2)), 0, hand, int(rng.integers(8)))
            for hand in hands
        ]
    bars = bars_of(Beatmap(color_notes=tuple(notes)), 2)
    assert bars is not None
    return Way(tuple(map(tuple, bars)), value, len(notes))


@pytest.fixture(scope="module")
def windows() -> list[list[Way]]:
    """Samples that score the better the more doubles they have, and by chance."""
    rng = np.random.default_rng(0)
    out = []
    for _ in range(40):
        shares = rng.uniform(0, 0.4, 6)
        out.append([a_way(rng, doubles=s, value=20 * s + rng.normal(0, 3)) for s in shares])
    return out


def sides(windows: list[list[Way]], chosen: list[list[tuple[int, int]]]) -> dict[str, float]:
    return tilt_table(
        (ways[i].bars, ways[j].bars)
        for ways, some in zip(windows, chosen, strict=True)
        for i, j in some
    )


def doubles(of: dict[str, float]) -> float:
    return of["doubles better"] - of["doubles worse"]


def test_the_two_sides_agree_where_best_and_worst_do_not(windows: list[list[Way]]) -> None:
    extremes = [
        [(int(np.argmax([w.value for w in ways])), int(np.argmin([w.value for w in ways])))]
        for ways in windows
    ]
    plain, matched = sides(windows, extremes), sides(windows, matched_pairs(windows))
    assert doubles(plain) > 0.1
    assert abs(doubles(matched)) < 0.2 * doubles(plain)
    assert matched["directions"] < plain["directions"]


def test_pairs_are_clear_alike_in_number_and_share_no_sample(windows: list[list[Way]]) -> None:
    found = matched_pairs(windows)
    assert found == matched_pairs(windows)
    assert sum(map(len, found)) > len(windows)
    for ways, some in zip(windows, found, strict=True):
        used = [i for pair in some for i in pair]
        assert len(used) == len(set(used))
        for i, j in some:
            assert ways[i].value - ways[j].value >= LEAST_GAP
            assert LIKE_NOTES[0] <= ways[j].notes / ways[i].notes <= LIKE_NOTES[1]
    same = [Way(ways[0].bars, float(k), ways[0].notes) for ways in windows[:1] for k in range(4)]
    assert matched_pairs([same, []]) == [[], []], "nothing to choose between"
    assert matched_pairs([]) == []
    assert tilt_table([]) == {}


def test_what_the_samples_lack_is_on_the_better_side(windows: list[list[Way]]) -> None:
    rng = np.random.default_rng(1)
    humans = [a_way(rng, doubles=0.35, value=0).bars for _ in windows]
    found = sides(windows, matched_pairs(windows, humans))
    made = np.mean([traits(way.bars)[0] for ways in windows for way in ways])
    lacking = np.mean([traits(bars)[0] for bars in humans]) - made
    assert lacking > 0.1
    assert doubles(sides(windows, matched_pairs(windows))) + 0.03 < doubles(found) <= lacking


def test_traits_are_shares_that_a_mirror_leaves_alone() -> None:
    notes = tuple(ColorNote(b, 1 + hand, 0, hand, 1) for b in range(4) for hand in (0, 1))
    single = ColorNote(4.0, 3, 2, 1, 3)
    beatmap = Beatmap(color_notes=(*notes, single))
    own, other = (bars_of(one, 2) for one in (beatmap, mirror(beatmap)))
    assert own is not None
    assert other is not None
    assert num_notes(own) == 9
    found = traits(own)
    assert found[0] == pytest.approx(4 / 5)
    np.testing.assert_allclose(found, traits(other))
    cells = slice(1, 1 + TRAIT_GROUPS["cells"])
    assert found[cells].sum() == pytest.approx(1)
    assert not traits([[], []]).any()
