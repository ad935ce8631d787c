"""The masks against the judge: what ``strict`` lets through breaks no rule, and nothing else is
held back."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from saberlm.eval.playability import judge_playability
from saberlm.infer.constraints import forbidden_tokens
from saberlm.infer.engine import Engine, MapRequest, SongEncoding
from saberlm.infer.playability import BORDERLINE_PENALTY, SOFT_PENALTY, PlayabilityMask
from saberlm.infer.random_streams import RandomStreams, draw_streams
from saberlm.infer.sampling import SamplingParams
from saberlm.prompts import vocab as v
from saberlm.prompts.beatmap import DIFFICULTIES, Beatmap
from saberlm.prompts.header import Conditions
from saberlm.prompts.tempo import TempoMap
from saberlm.prompts.tokens import decode

CPU = torch.device("cpu")
WANTED = (
    Conditions(),
    Conditions(lights=False, walls=False),
    Conditions(lights=False, walls=False, bombs=False),
    Conditions(lights=False, chains=False, arcs=False),
)
UP, DOWN, LEFT, DOWN_LEFT, DOT = 0, 1, 2, 6, 8
RED, BLUE = 0, 1


def _streams(
    mode: str, seeds: list[int], bars: int
) -> tuple[list[list[list[int]]], list[float], list[str]]:
    bpm = [95.0 + seed * 37 % 95 for seed in seeds]
    difficulties = [DIFFICULTIES[seed % 5] for seed in seeds]
    forbidden = torch.stack([forbidden_tokens(WANTED[seed % 4]) for seed in seeds])
    how = RandomStreams(bars, mode, max_bar_tokens=50)
    return draw_streams(how, seeds, bpm, difficulties, forbidden), bpm, difficulties


def _findings(bars: list[list[int]], bpm: float, difficulty: str) -> dict[str, int]:
    beatmap, _ = decode(bars)
    return judge_playability(beatmap, TempoMap(bpm), difficulty).counts


def _mask(mode: str = "strict", bpm: float = 120.0, difficulty: str = "Expert") -> PlayabilityMask:
    return PlayabilityMask(mode, torch.tensor([bpm]), [difficulty], CPU)


def _say(mask: PlayabilityMask, tick: int, *tokens: int) -> None:
    for token in tokens:
        mask.place(torch.tensor([token]), torch.tensor([tick]), torch.tensor([True]))


def _note(color: int, x: int, y: int, direction: int) -> int:
    return v.token_id("note", v.note_value(color, y, x, direction))


def _taken(mask: PlayabilityMask, tick: int, token: int) -> float:
    return float(mask.penalties(torch.tensor([tick]))[0, token])


def test_strict_streams_break_no_rule() -> None:
    """And none ends dead: `draw_streams` raises where nothing could be said."""
    streams, bpm, difficulties = _streams("strict", list(range(20)), 3)
    notes = 0
    for bars, tempo, difficulty in zip(streams, bpm, difficulties, strict=True):
        counts = _findings(bars, tempo, difficulty)
        assert not any(counts.values()), counts
        notes += len(decode(bars)[0].color_notes)
    assert notes > 300
    loose, bpm, difficulties = _streams("off", list(range(20)), 3)
    found = [_findings(*one) for one in zip(loose, bpm, difficulties, strict=True)]
    assert all(sum(one[rule] for one in found) for rule in found[0]), "every rule had its chance"


def test_the_masks_are_exactly_the_judge() -> None:
    """Along strict streams, a note or bomb is ruled out if and only if the judge would object."""
    streams, bpm, difficulties = _streams("strict", list(range(40, 52)), 2)
    random = torch.Generator().manual_seed(7)
    ruled_out = allowed = 0
    for bars, tempo, difficulty in zip(streams, bpm, difficulties, strict=True):
        mask = _mask("strict", tempo, difficulty)
        said: list[list[int]] = []
        for bar, tokens in enumerate(bars):
            said.append([])
            tick = bar * v.TICKS_PER_SEGMENT
            for token in tokens:
                kind = v.token_of(token)
                if kind.kind in ("note", "bomb"):
                    taken = mask.penalties(torch.tensor([tick]))[0]
                    for _ in range(3):
                        size = v.SIZES[kind.kind]
                        value = int(torch.randint(size, (1,), generator=random))
                        tried = v.token_id(kind.kind, value)
                        if _holds(said[-1], tried):
                            continue
                        now = [*said[:-1], [*said[-1], tried]]
                        objects = any(_findings(now, tempo, difficulty).values())
                        assert bool(torch.isinf(taken[tried])) is objects, v.describe(tried)
                        ruled_out += objects
                        allowed += not objects
                if kind.kind == "position":
                    tick = bar * v.TICKS_PER_SEGMENT + kind.value
                said[-1].append(token)
                _say(mask, tick, token)
    assert ruled_out > 150
    assert allowed > 150


def _holds(bar: list[int], token: int) -> bool:
    """Whether the bar's last tick holds a token's place in the order already, or its cell."""
    last = max(i for i, one in enumerate(bar) if v.token_of(one).kind == "position")

    def cell(one: int) -> int | None:
        part = v.token_of(one)
        if part.kind == "note":
            return part.value // 9 % 12
        return part.value if part.kind == "bomb" else None

    here = [one for one in bar[last:] if cell(one) is not None]
    return any(one >= token or cell(one) == cell(token) for one in here)


def test_a_batch_is_its_rows() -> None:
    seeds = list(range(60, 68))
    together, _, _ = _streams("strict", seeds, 2)
    for seed, bars in zip(seeds, together, strict=True):
        assert _streams("strict", [seed], 2)[0][0] == bars


def test_soft_takes_from_notes_bombs_and_walls_alone() -> None:
    mask = _mask("soft")
    mask.open_bar(0, forbidden_tokens(Conditions(lights=False, walls=False))[None])
    wall = (v.token_id("wall_width", 0), v.token_id("wall_height", 0))
    length = (v.token_id("duration_beats", 4), v.token_id("duration_ticks", 0))
    _say(mask, 0, _note(RED, 1, 1, DOWN), _note(BLUE, 2, 1, DOWN), v.token_id("bomb", 3))
    _say(mask, 0, v.token_id("wall", 4), *wall, *length)
    kinds = set()
    for tick in (0, 3, 12, 24, 48):
        taken = mask.penalties(torch.tensor([tick]))[0]
        assert torch.isfinite(taken).all()
        kinds |= {v.token_of(int(i)).kind for i in torch.nonzero(taken)[:, 0]}
    assert {"note", "bomb", "wall"} <= kinds <= {"note", "bomb", "wall", "wall_width"}


def test_a_repeated_direction_is_taken_off_until_the_hand_is_free() -> None:
    mask = _mask("soft")
    down = _note(BLUE, 2, 0, DOWN)
    assert _taken(mask, 0, down) == 0
    _say(mask, 0, down)
    assert _taken(mask, 24, down) == SOFT_PENALTY
    assert _taken(mask, 24, _note(BLUE, 2, 2, LEFT)) == pytest.approx(BORDERLINE_PENALTY)
    assert _taken(mask, 24, _note(BLUE, 2, 2, UP)) == 0
    assert _taken(mask, 24, _note(RED, 1, 0, DOWN)) == 0, "the other hand is not concerned"
    assert _taken(mask, 73, down) == 0, "a pause of more than 0.75 s frees the hand"
    assert _taken(mask, 72, down) == SOFT_PENALTY


def test_bombs_give_a_hand_its_turn_back() -> None:
    mask = _mask()
    down = _note(BLUE, 2, 0, DOWN)
    _say(mask, 0, down)
    assert _taken(mask, 48, down) == torch.inf
    _say(mask, 24, v.token_id("bomb", 2))
    assert _taken(mask, 48, down) == 0


def test_walls_are_known_with_their_length() -> None:
    mask = _mask()
    spelled = (v.token_id("wall", 0), v.token_id("wall_width", 1), v.token_id("wall_height", 4))
    _say(mask, 0, *spelled, v.token_id("duration_beats", 1), v.token_id("duration_ticks", 24))
    inside, beside = _note(RED, 1, 2, DOT), _note(BLUE, 2, 2, DOT)
    assert _taken(mask, 72, inside) == torch.inf
    assert _taken(mask, 72, v.token_id("bomb", 5)) == torch.inf
    assert _taken(mask, 73, inside) == 0
    assert _taken(mask, 72, beside) == 0
    _say(mask, 96, _note(RED, 1, 1, DOT), v.token_id("wall", 0))
    assert _taken(mask, 96, v.token_id("wall_width", 0)) == 0
    assert _taken(mask, 96, v.token_id("wall_width", 1)) == 0, "its lowest row is free"
    _say(mask, 96, v.token_id("wall_width", 1))
    assert _taken(mask, 96, v.token_id("wall_height", 0)) == 0
    assert _taken(mask, 96, v.token_id("wall_height", 1)) == torch.inf


def test_a_position_at_which_nothing_fits_is_ruled_out() -> None:
    notes_only = Conditions(lights=False, walls=False, bombs=False)
    for conditions, expected in ((notes_only, torch.inf), (Conditions(lights=True), 0.0)):
        mask = _mask(difficulty="Easy")
        mask.open_bar(0, forbidden_tokens(conditions)[None])
        # blue sees nothing behind red's notes in the centre, red's swing has left the grid
        _say(mask, 0, _note(RED, 1, 1, DOT), _note(RED, 2, 1, DOT))
        _say(mask, 4, _note(RED, 0, 0, DOWN_LEFT))
        taken = mask.penalties(torch.tensor([4]))[0]
        at = [float(taken[v.token_id("position", tick)]) for tick in (5, 10, 11)]
        assert at == [expected, expected, 0.0]


def test_leaving_rows_and_given_bars() -> None:
    (bars,), bpm, difficulties = _streams("strict", [90], 2)
    alone = PlayabilityMask("strict", torch.tensor(bpm), difficulties, CPU)
    three = PlayabilityMask("strict", torch.tensor(bpm * 3), difficulties * 3, CPU)
    for bar, tokens in enumerate(bars):
        tick = bar * v.TICKS_PER_SEGMENT
        three.give([[], tokens, []], tick)
        for token in tokens:
            part = v.token_of(token)
            if part.kind == "position":
                tick = bar * v.TICKS_PER_SEGMENT + part.value
            _say(alone, tick, token)
    now = torch.tensor([2 * v.TICKS_PER_SEGMENT])
    expected = alone.penalties(now)
    assert (expected > 0).any()
    fresh = PlayabilityMask("strict", torch.tensor(bpm), difficulties, CPU).penalties(now)
    assert torch.equal(three.penalties(now.expand(3)), torch.cat([fresh, expected, fresh]))
    three.select([1])
    assert torch.equal(three.penalties(now), expected)


def test_the_engine_obeys_strict_whoever_shares_the_batch(tiny_model: Any) -> None:
    engine = Engine(tiny_model, context_bars=3)
    params = SamplingParams(max_segment_tokens=30, position_temperature=1.0, playability="strict")

    def request(seed: int) -> MapRequest:
        random = torch.Generator().manual_seed(seed)
        bars = 3 + seed % 2
        sound = [torch.randn(bars * 16, width, generator=random) for width in (24, 32)]
        song = SongEncoding(*sound, torch.randn(bars, 32, generator=random), bars)
        lights = seed % 2 == 0
        asked = Conditions(DIFFICULTIES[seed], 6.0, bpm=150.0, lights=lights, walls=lights)
        logits = torch.randn(bars * 192, 2, generator=random) - 2.0
        return MapRequest(song, asked, logits, seed)

    together = engine.generate([request(seed) for seed in range(5)], params)
    notes = 0
    for seed, made in enumerate(together):
        counts = _findings(made.bars, 150.0, DIFFICULTIES[seed])
        assert not any(counts.values()), counts
        notes += len(decode(made.bars)[0].color_notes)
        assert engine.generate([request(seed)], params)[0].bars == made.bars
    assert notes > 60


def test_empty_is_playable_and_modes_are_checked() -> None:
    assert judge_playability(Beatmap(), TempoMap(120.0), "Easy").total == 0
    with pytest.raises(ValueError, match="soft or strict"):
        _mask("gentle")
