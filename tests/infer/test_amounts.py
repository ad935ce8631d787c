"""Dials for bombs and walls: whatever the logits want, about as many come as asked."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from saberlm.infer.amounts import (
    AMOUNTS,
    MOMENTS_AN_OBJECT,
    OBJECTS_A_BAR,
    USUAL_A_BAR,
    AmountBias,
    asked_amounts,
    held_to,
    objects_a_bar,
    wanted_a_bar,
)
from saberlm.infer.engine import Engine, MapRequest, SongEncoding
from saberlm.infer.level_request import LevelRequest
from saberlm.infer.sampling import SamplingParams
from saberlm.infer.style_words import wishes
from saberlm.prompts import vocab as v
from saberlm.prompts.header import Conditions

BARS = 400


def made(kind: str, amount: str, taste: float, seed: int = 0) -> float:
    """Objects a bar where one can come at every quarter, by a coin whose log-odds are ``taste``."""
    rng = np.random.default_rng(seed)
    bias = AmountBias(kind, OBJECTS_A_BAR[kind][amount])
    token = v.block_range(kind).start
    count = 0
    for tick in range(0, BARS * v.TICKS_PER_SEGMENT, 12):
        logits = np.zeros(v.OFFSETS["text"], np.float32)
        bias.adjust(logits, tick)
        assert not logits[: v.block_range(kind).start].any()
        if rng.random() < 1 / (1 + np.exp(-(taste + logits[token]))):
            bias.say(token, tick)
            count += 1
    return count / BARS


@pytest.mark.parametrize("kind", ["bomb", "wall"])
@pytest.mark.parametrize("taste", [-5.0, -3.5, -2.5])
def test_amounts_come_in_their_order_near_what_was_asked(kind: str, taste: float) -> None:
    rates = [made(kind, amount, taste) for amount in AMOUNTS[1:]]
    assert rates == sorted(rates)
    assert rates[2] > 1.5 * rates[0]
    for rate, amount in zip(rates, AMOUNTS[1:], strict=True):
        assert 0.35 < rate / OBJECTS_A_BAR[kind][amount] < 3


def request_of(conditions: Conditions, seed: int = 0) -> MapRequest:
    bars = 60
    song = SongEncoding(torch.zeros(bars * 16, 24), torch.zeros(bars * 16, 32),
                        torch.zeros(bars, 32), bars)  # fmt: skip
    logits = torch.randn(bars * 192, 2, generator=torch.Generator().manual_seed(1))
    logits[-192:] = -30.0
    return MapRequest(song, conditions, logits, seed)


def test_without_lights_as_many_moments_are_kept_as_the_objects_take() -> None:
    for asked, amounts, flags in (
        ({"bomb": "high", "wall": "high"}, OBJECTS_A_BAR, {}),
        ({"wall": "low"}, OBJECTS_A_BAR, {}),
        ({}, None, {}),
        ({}, None, {"bombs": False, "walls": False}),
    ):
        conditions = Conditions("Expert", lights=False, **flags)  # type: ignore[arg-type]
        held = held_to(request_of(conditions), asked)
        wanted = 0.0
        if not flags:
            for kind, share in MOMENTS_AN_OBJECT.items():
                rate = USUAL_A_BAR[kind]
                if amounts is not None and kind in asked:
                    rate = amounts[kind][asked[kind]]
                wanted += share * rate * 59
        assert int((held.onset_logits[:, 1] > 0).sum()) == round(wanted)
        assert torch.equal(held.onset_logits[:, 0], request_of(conditions).onset_logits[:, 0])
        assert (held.onset_logits[-192:] == -30).all()
        assert held.amounts == asked


def test_a_part_made_anew_gets_what_stands_around_it_unless_told_otherwise() -> None:
    bomb, light = v.block_range("bomb").start, v.block_range("light").start
    full = [[v.token_id("position", 0), bomb, bomb + 1, light], []] * 10
    assert objects_a_bar(full) == {"bomb": 1.0, "light": 0.5}
    assert objects_a_bar(full[:6]) == objects_a_bar([]) == objects_a_bar([[]] * 20) == {}
    around = objects_a_bar(full)
    assert wanted_a_bar({}, around) == {"bomb": 1.0}
    assert wanted_a_bar({"bomb": "low"}, around) == {"bomb": OBJECTS_A_BAR["bomb"]["low"]}
    assert wanted_a_bar({}, {"wall": 30.0})["wall"] < 10
    conditions = Conditions("Expert", lights=False, walls=False)
    moments = []
    for known in ({}, around):
        held = held_to(replace(request_of(conditions), around=known), {})
        moments.append(int((held.onset_logits[:, 1] > 0).sum()))
    rates = (USUAL_A_BAR["bomb"], 1.0)
    assert moments == [round(MOMENTS_AN_OBJECT["bomb"] * rate * 59) for rate in rates]


def test_lit_rows_keep_what_is_heard() -> None:
    request = request_of(Conditions("Expert", lights=True))
    assert torch.equal(held_to(request, {"wall": "low"}).onset_logits, request.onset_logits)


def test_a_style_word_asks_for_walls_where_no_amount_does() -> None:
    assert asked_amounts(None, None, wishes("tech, walls")) == {"wall": "high"}
    assert asked_amounts("low", None, wishes("tech", "walls")) == {"bomb": "low", "wall": "low"}
    assert asked_amounts(None, "none", wishes("walls")) == {}
    assert asked_amounts(None, "medium", wishes(None, "walls")) == {"wall": "medium"}
    assert asked_amounts(None, None, wishes("walls", "walls")) == {}
    avoided = SamplingParams(negative_style="walls")
    assert LevelRequest("song.ogg", sampling=avoided).amounts == {"wall": "low"}
    by_hand = LevelRequest("song.ogg", prompt="Style: walls, tech")
    assert by_hand.amounts == {"wall": "high"}


def test_none_is_the_grammar_s_to_see_to(tiny_model: Any) -> None:
    asked = LevelRequest.of("song.ogg", bombs="none", walls="high", chains=False, arcs=True)
    (conditions,) = asked.conditions
    assert (conditions.bombs, conditions.walls) == (False, True)
    assert (conditions.arcs, conditions.chains) == (True, False)
    assert asked.amounts == {"wall": "high"}
    plain = LevelRequest.of("song.ogg").conditions[0]
    assert (plain.bombs, plain.walls, plain.arcs, plain.chains) == (None,) * 4
    with pytest.raises(ValueError, match="--bombs"):
        LevelRequest.of("song.ogg", bombs="many")
    generator = torch.Generator().manual_seed(3)
    song = SongEncoding(torch.randn(64, 24, generator=generator),
                        torch.randn(64, 32, generator=generator),
                        torch.randn(4, 32, generator=generator), 4)  # fmt: skip
    request = MapRequest(song, conditions, torch.zeros(4 * 192, 2), 0)
    params = SamplingParams(max_segment_tokens=60)

    map_ = Engine(tiny_model).generate([held_to(request, asked.amounts)], params)[0]
    kinds = {v.token_of(token).kind for bar in map_.bars for token in bar}
    assert kinds.isdisjoint({"bomb", "chain"})
    assert {"note", "wall"} <= kinds


def test_withheld_tokens_are_never_said(tiny_model: Any) -> None:
    generator = torch.Generator().manual_seed(3)
    song = SongEncoding(torch.randn(64, 24, generator=generator),
                        torch.randn(64, 32, generator=generator),
                        torch.randn(4, 32, generator=generator), 4)  # fmt: skip
    held = frozenset([*v.block_range("light"), *v.block_range("angle")])
    request = MapRequest(song, Conditions("Expert"), torch.zeros(4 * 192, 2), 0, withheld=held)
    bars = Engine(tiny_model).generate([request], SamplingParams(max_segment_tokens=60))[0].bars
    said = {token for bar in bars for token in bar}
    assert said
    assert said.isdisjoint(held)


def test_a_bar_begins_with_what_is_given(tiny_model: Any) -> None:
    """The begun bar goes on legally, after its own last position."""
    from saberlm.prompts.grammar import first_illegal

    generator = torch.Generator().manual_seed(3)
    song = SongEncoding(torch.randn(64, 24, generator=generator),
                        torch.randn(64, 32, generator=generator),
                        torch.randn(4, 32, generator=generator), 4)  # fmt: skip
    begun = [v.token_id("position", 0), v.token_id("note", 5), v.token_id("position", 60),
             v.token_id("note", 90)]  # fmt: skip
    fixed = {0: [v.token_id("position", 7), v.token_id("note", 11)]}
    for bar, given in ((0, {}), (1, fixed)):
        request = MapRequest(song, Conditions("Expert"), torch.zeros(4 * 192, 2), 0, fixed=given,
                             begun={bar: begun})  # fmt: skip
        bars = Engine(tiny_model).generate([request], SamplingParams(max_segment_tokens=60))[0].bars
        assert bars[bar][: len(begun)] == begun
        assert len(bars) == 4
        assert any(len(one) > len(begun) for one in bars)
        assert first_illegal(bars) is None
