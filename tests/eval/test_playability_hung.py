"""Rules about arcs and chains: the smallest map that breaks each and the nearest that does not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rule_kit import BLUE, DOT, DOWN, DOWN_LEFT, DOWN_RIGHT, LEFT, RED, RIGHT, UP, broken

from saberlm.eval.playability_hung import HUNG_RULES
from saberlm.prompts.beatmap import Arc, Beatmap, Bomb, Chain, ColorNote

HEAD, TAIL = ColorNote(20, 2, 0, BLUE, DOWN), ColorNote(22, 2, 2, BLUE, UP)
ARC = Arc(20, 2, 0, BLUE, DOWN, 22, 2, 2, UP)
CHAIN = Chain(20, 2, 2, BLUE, DOWN, 20.25, 2, 0, 4)
CHAIN_HEAD = ColorNote(20, 2, 2, BLUE, DOWN)
SIDEWAYS = Chain(20, 2, 2, BLUE, LEFT, 20.25, 0, 2, 2, 0.66)
SIDEWAYS_HEAD = ColorNote(20, 2, 2, BLUE, LEFT)
EARLIER = tuple(ColorNote(i, i % 4, 1, i % 2, DOT) for i in range(16))


def arcs(*each: Arc, notes: tuple[ColorNote, ...] = (HEAD, TAIL), bombs: tuple = ()) -> Beatmap:
    return Beatmap(notes, arcs=tuple(sorted(each)), bombs=bombs)


def chains(chain: Chain, *notes: ColorNote, earlier: tuple = EARLIER) -> Beatmap:
    return Beatmap(tuple(sorted((*earlier, *notes))), chains=(chain,))


@pytest.mark.parametrize(
    ("beatmap", "found"),
    [
        (arcs(ARC), {}),
        (arcs(ARC, notes=(TAIL,)), {"arc attachment": 1}),
        (arcs(ARC, notes=(HEAD,)), {}),  # into the air
        (arcs(ARC, notes=(HEAD, replace(TAIL, color=RED))), {"arc attachment": 1}),
        (arcs(ARC, notes=(replace(HEAD, color=RED), TAIL)), {"arc attachment": 1}),
        (arcs(ARC, notes=(replace(HEAD, x=3), TAIL)), {"arc attachment": 1}),
        (arcs(ARC, notes=(HEAD,), bombs=(Bomb(22, 2, 2),)), {"arc attachment": 1}),
        (arcs(replace(ARC, direction=DOWN_LEFT)), {}),
        (arcs(replace(ARC, direction=LEFT)), {"arc direction": 1}),
        (arcs(replace(ARC, direction=DOT)), {}),
        (arcs(replace(ARC, tail_direction=RIGHT)), {"arc direction": 1}),
        (arcs(replace(ARC, multiplier=0.1)), {}),
        (arcs(replace(ARC, multiplier=0.09)), {"arc shape": 1}),
        (arcs(replace(ARC, tail_multiplier=1.5)), {}),
        (arcs(replace(ARC, tail_multiplier=1.6)), {"arc shape": 1}),
        (arcs(replace(ARC, tail_beat=20), notes=(HEAD,)), {"arc shape": 1}),
    ],
)
def test_arcs(beatmap: Beatmap, found: dict[str, int]) -> None:
    assert broken(beatmap, HUNG_RULES) == found


@pytest.mark.parametrize(("number", "found"), [(5, {}), (6, {"arc crowd": 1})])
def test_five_arcs_a_hand(number: int, found: dict[str, int]) -> None:
    crowd = arcs(*(replace(ARC, tail_beat=22 + i, tail_x=3) for i in range(number)))
    assert broken(crowd, HUNG_RULES) == found
    ended = [replace(one, beat=8, tail_beat=20) for one in crowd.arcs[:5]]
    assert "arc crowd" not in broken(arcs(*ended, *crowd.arcs[:5]), HUNG_RULES)


@pytest.mark.parametrize(
    ("beatmap", "found"),
    [
        (chains(CHAIN, CHAIN_HEAD), {}),
        (chains(CHAIN), {"chain attachment": 1}),
        (chains(CHAIN, replace(CHAIN_HEAD, color=RED)), {"chain attachment": 1}),
        (chains(CHAIN, replace(CHAIN_HEAD, direction=UP)), {"chain attachment": 1}),
        (chains(replace(CHAIN, tail_x=0), CHAIN_HEAD), {}),  # 45 degrees
        (chains(replace(CHAIN, tail_x=0, tail_y=1), CHAIN_HEAD), {"chain direction": 1}),
        (
            chains(replace(CHAIN, direction=UP), replace(CHAIN_HEAD, direction=UP)),
            {"chain direction": 1},
        ),
        (chains(replace(CHAIN, slice_count=2, tail_y=1), CHAIN_HEAD), {}),
        (chains(replace(CHAIN, slice_count=2, squish=0.7), CHAIN_HEAD), {}),
        (chains(replace(CHAIN, slice_count=2, squish=0.75), CHAIN_HEAD), {"chain links": 1}),
        (chains(SIDEWAYS, SIDEWAYS_HEAD), {}),
        (chains(replace(SIDEWAYS, squish=0.7), SIDEWAYS_HEAD), {"chain links": 1}),
        (chains(replace(CHAIN, slice_count=1), CHAIN_HEAD), {"chain shape": 1}),
        (chains(replace(CHAIN, tail_y=2), CHAIN_HEAD), {"chain shape": 1}),
        (
            chains(
                replace(CHAIN, direction=DOWN_RIGHT, tail_x=3, tail_y=1, squish=2.5),
                replace(CHAIN_HEAD, direction=DOWN_RIGHT),
            ),
            {"chain shape": 1},
        ),
        (chains(CHAIN, CHAIN_HEAD, ColorNote(20.5, 2, 0, BLUE, UP)), {}),
        (chains(CHAIN, CHAIN_HEAD, ColorNote(20.4, 2, 0, BLUE, UP)), {"chain rush": 1}),
        (chains(CHAIN, CHAIN_HEAD, ColorNote(20.4, 1, 0, RED, UP)), {}),
        (chains(CHAIN, CHAIN_HEAD, earlier=EARLIER[1:]), {"chain early": 1}),
    ],
)
def test_chains(beatmap: Beatmap, found: dict[str, int]) -> None:
    assert broken(beatmap, HUNG_RULES) == found
