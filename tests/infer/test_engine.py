from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from saberlm.infer.density import DensityControl, solve_bias
from saberlm.infer.engine import Engine, MapRequest, SongEncoding
from saberlm.infer.engine_row import Row
from saberlm.infer.light_density import LIT
from saberlm.infer.light_refrain import LEAST_LIT
from saberlm.infer.rhythm import RhythmPlan
from saberlm.infer.row_sampler import LIVE
from saberlm.infer.sampling import PRESETS, SamplingParams
from saberlm.infer.torch_decoder import TorchDecoder
from saberlm.prompts import vocab as v
from saberlm.prompts.context import lights_context
from saberlm.prompts.grammar import first_illegal
from saberlm.prompts.header import Conditions
from saberlm.prompts.stream import MapPrompt
from saberlm.prompts.tokens import decode

PARAMS = SamplingParams(max_segment_tokens=30, temperature=1.0, position_temperature=1.0)


def encoding(bars: int, seed: int) -> SongEncoding:
    generator = torch.Generator().manual_seed(seed)
    return SongEncoding(
        torch.randn(bars * 16, 24, generator=generator),
        torch.randn(bars * 16, 32, generator=generator),
        torch.randn(bars, 32, generator=generator),
        bars,
    )


def request(bars: int, seed: int, **conditions: Any) -> MapRequest:
    generator = torch.Generator().manual_seed(seed + 100)
    logits = torch.randn(bars * 192, 2, generator=generator) - 3.5
    asked = Conditions("Expert", 4.0, **{"lights": True, **conditions})
    density = DensityControl(logits[:, 0], bars * 2.0, 4.0, 1.3)
    return MapRequest(encoding(bars, seed), asked, logits, seed, density)


def spied(engine: Engine) -> list[torch.Tensor]:
    """Where the last hidden state is put whenever the decoder gets more of an only row's bars."""
    seen: list[torch.Tensor] = []
    original = engine._forward

    def spy(running: Any) -> Any:
        logits = original(running)
        seen.append(torch.from_numpy(engine.decoder.last_hidden[0].copy()))
        return logits

    engine._forward = spy  # type: ignore[method-assign]
    return seen


@pytest.fixture(scope="module")
def engine(tiny_model: Any) -> Engine:
    """An engine whose cache is made anew every other bar."""
    return Engine(tiny_model, context_bars=3)


@pytest.mark.parametrize("rhythm", ["planned", "drawn"])
def test_batch_equals_single(engine: Engine, rhythm: str) -> None:
    lengths = [3, 6, 5, 6]
    params = replace(PARAMS, rhythm=rhythm, rhythm_noise=0.3)
    together = engine.generate([request(n, i) for i, n in enumerate(lengths)], params)
    for i, n in enumerate(lengths):
        alone = engine.generate([request(n, i)], params)[0]
        assert together[i].bars == alone.bars
        assert len(alone.bars) == n


def test_rows_join_and_leave_as_there_is_room(tiny_model: Any) -> None:
    """Three at a time or all at once; a request is taken only when a row is free."""
    lengths = [2, 5, 1, 4, 3, 2]
    requests = [request(n, i) for i, n in enumerate(lengths)]
    expected = Engine(tiny_model, context_bars=3).generate(requests, PARAMS)
    taken: list[int] = []
    made: dict[int, Any] = {}
    bars: list[tuple[int, int]] = []

    def coming() -> Any:
        for i, n in enumerate(lengths):
            taken.append(i)
            yield request(n, i), PARAMS

    engine = Engine(tiny_model, context_bars=3, max_rows=3)
    for i, one in engine.stream(coming(), lambda row, bar, _: bars.append((row, bar))):
        assert len(taken) <= len(made) + 3
        made[i] = one
    assert list(made) != sorted(made), "the short ones finish first"
    assert [made[i].bars for i in range(6)] == [one.bars for one in expected]
    assert sorted(bars) == [(i, bar) for i, n in enumerate(lengths) for bar in range(n)]


def test_rows_make_room_when_memory_runs_out(tiny_model: Any) -> None:
    requests = [request(3, i) for i in range(4)]
    expected = Engine(tiny_model, context_bars=3).generate(requests, PARAMS)
    engine = Engine(tiny_model, context_bars=3)
    original, calls = engine.decoder.extend, 0

    def scarce(slots: Any, pieces: Any) -> Any:
        nonlocal calls
        calls += 1
        if len(slots) > 2 and calls > 30:  # in the middle of bars
            raise torch.OutOfMemoryError("none left")
        return original(slots, pieces)

    engine.decoder.extend = scarce  # type: ignore[method-assign]
    requests = [request(3, i) for i in range(4)]
    with pytest.warns(RuntimeWarning, match="out of memory: going on with 2 rows"):
        made = engine.generate(requests, PARAMS)
    assert [one.bars for one in made] == [one.bars for one in expected]


def test_without_memory_for_one_row_the_error_says_so(tiny_model: Any) -> None:
    engine = Engine(tiny_model)

    def none_left(slots: Any, pieces: Any) -> Any:
        raise torch.OutOfMemoryError("none left")

    engine.decoder.extend = none_left  # type: ignore[method-assign]
    with pytest.raises(MemoryError, match="expected memory for one row"):
        engine.generate([request(2, 0)], PARAMS)


def test_the_torch_decoder_makes_the_same_maps(tiny_model: Any) -> None:
    engine = Engine(tiny_model, context_bars=3)
    expected = engine.generate([request(3, i) for i in range(2)], PARAMS)
    engine.decoder = TorchDecoder(tiny_model, LIVE)
    made = engine.generate([request(3, i) for i in range(2)], PARAMS)
    assert [one.bars for one in made] == [one.bars for one in expected]


def test_guidance_of_one_or_without_wishes_changes_nothing(engine: Engine) -> None:
    plain = engine.generate([request(4, 1)], PARAMS)[0].bars
    nothing = request(4, 1)
    nothing.conditions = replace(nothing.conditions, nps=None)
    alone = engine.generate([nothing], PARAMS)[0].bars
    nothing = request(4, 1)
    nothing.conditions = replace(nothing.conditions, nps=None)
    guided = engine.generate([nothing], replace(PARAMS, cfg_scale=3.0))[0].bars
    assert guided == alone, "both headers are the same"
    asked = request(4, 1, style="streams")
    moved = engine.generate([asked], replace(PARAMS, cfg_scale=3.0))[0].bars
    assert moved != plain
    lone, other = request(4, 1, style="streams"), request(5, 2)
    beside = engine.generate([other, lone], replace(PARAMS, cfg_scale=3.0))
    assert beside[1].bars == moved


def test_biases_join_the_logits_and_hear_what_is_said(tiny_model: Any) -> None:
    class OneNote:
        """Makes one note sure wherever a note may stand."""

        def __init__(self) -> None:
            self.heard: list[int] = []

        def adjust(self, logits: Any, tick: int) -> None:
            assert tick >= -1
            logits[list(v.block_range("note"))] -= 200.0
            logits[v.token_id("note", 17)] += 500.0

        def say(self, token: int, tick: int) -> None:
            self.heard.append(token)

    bias = OneNote()
    engine = Engine(tiny_model, context_bars=3, biases=lambda _: [bias])
    params = replace(PARAMS, playability="off")
    bars = engine.generate([request(3, 0, lights=False)], params)[0].bars
    assert bias.heard == [token for bar in bars for token in bar]
    notes = [token for token in bias.heard if token in v.block_range("note")]
    assert notes.count(v.token_id("note", 17)) > len(notes) / 2


def test_what_is_made_obeys_the_grammar_and_decodes(engine: Engine) -> None:
    for made in engine.generate([request(6, seed) for seed in range(4)], PARAMS):
        assert first_illegal(made.bars) is None
        beatmap, _ = decode(made.bars)
        assert beatmap.color_notes


def test_seeds_repeat_and_differ(engine: Engine) -> None:
    again = [engine.generate([request(4, 1)], PARAMS)[0].bars for _ in range(2)]
    assert again[0] == again[1]
    other = request(4, 1)
    other.seed = 2
    assert engine.generate([other], PARAMS)[0].bars != again[0]


def test_forbidden_things_do_not_appear(engine: Engine) -> None:
    made = engine.generate(
        [
            request(6, seed, lights=False, bombs=False, walls=False, arcs=False, chains=False)
            for seed in range(3)
        ],
        PARAMS,
    )
    kinds = {v.token_of(token).kind for each in made for bar in each.bars for token in bar}
    assert kinds <= {"position", "note", "angle"}


def test_cached_decoding_equals_one_forward_over_everything(tiny_model: Any) -> None:
    """Hidden states met while decoding are those of the training forward over the finished
    stream."""
    engine = Engine(tiny_model, context_bars=8)
    asked = request(4, 5)
    seen = spied(engine)
    bars = engine.generate([asked], PARAMS)[0].bars
    conditions, song = asked.conditions, asked.song
    prompt = MapPrompt(conditions, song.num_bars)
    ids = prompt.window(0, bars, [True] * 4, ends=False).ids
    audio = torch.cat([song.sketch, song.embeds])
    with torch.no_grad():
        hidden = tiny_model.model(
            input_ids=torch.tensor([ids]), audio_embeds=audio, audio_latents=song.latents[None]
        ).last_hidden_state[0]
    at = len(prompt.opening()) - 1
    expected = []
    for bar in bars:
        at += 17  # <seg> and its audio
        expected.append(hidden[at])
        for _ in bar:
            at += 1
            expected.append(hidden[at])
        at += 1  # </seg>
    assert len(expected) == len(seen)
    assert torch.allclose(torch.stack(expected), torch.stack(seen), atol=1e-4)


@pytest.mark.parametrize("context_bars", [3, 12])
def test_bars_that_stand_are_fed_on_as_they_would_be_anew(
    tiny_model: Any, context_bars: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given bars amid sampled ones, and lights that come again: the same as with a past made anew
    after each of them."""
    given = [[v.OFFSETS["position"] + 24 * bar, v.OFFSETS["note"] + 20] for bar in range(4)]
    engine = Engine(tiny_model, context_bars=context_bars)
    amid = replace(request(9, 3), fixed={0: given[0], 3: given[1], 4: given[2], 7: given[3]})
    asked = replace(request(24, 4), density=None, context=lights_context([given[0]] * 24))
    rows = [Row(0, asked, PARAMS)]
    assert rows[0]._repeats
    along = engine.generate([amid, asked], PARAMS)
    original = Row.give_bar

    def anew(row: Row, tokens: Any) -> None:
        original(row, tokens)
        row.past_fed = False

    monkeypatch.setattr(Row, "give_bar", anew)
    again = engine.generate([amid, asked], PARAMS)
    assert [one.bars for one in along] == [one.bars for one in again]
    assert along[0].bars[4] == given[2]
    shows = along[1].bars
    lit = {
        bar: sum(token in LIT for token in tokens) >= LEAST_LIT for bar, tokens in enumerate(shows)
    }
    repeats = {bar: source for bar, source in rows[0]._repeats.items() if lit[source]}
    assert all(shows[bar] == shows[source] for bar, source in repeats.items())
    off = engine.generate([asked], replace(PARAMS, light_refrain=False))[0]
    assert repeats
    assert off.bars != shows


def test_bars_are_capped(engine: Engine) -> None:
    made = engine.generate([request(4, 0)], SamplingParams(max_segment_tokens=5, seed=0))[0]
    assert all(len(bar) <= 5 + 8 for bar in made.bars)  # an object may be finished past the cap
    assert made.counts["bar closed at the cap"] > 0


@pytest.mark.parametrize("rhythm", ["planned", "drawn"])
def test_density_follows_what_is_asked(engine: Engine, rhythm: str) -> None:
    made = []
    for nps in (1.0, 6.0):
        asked = request(24, 3, lights=False)
        asked.density = DensityControl(asked.onset_logits[:, 0], 48.0, nps, 1.3)
        bars = engine.generate([asked], replace(PARAMS, rhythm=rhythm))[0].bars
        made.append(len(decode(bars)[0].color_notes) / 48.0)
    assert made[0] < 2.0
    assert made[1] > 2.5  # no more fits under the cap of tokens a bar


def test_bias_solves_for_the_expected_count() -> None:
    logits = torch.randn(2000) - 3
    for wanted in (60.0, 150.0, 300.0):
        bias = solve_bias(logits, wanted)
        assert float(torch.sigmoid(logits + bias).sum()) == pytest.approx(wanted, rel=0.01)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"temperature": -1.0}, "temperature"),
        ({"top_p": 0.0}, "top-p"),
        ({"top_k": -1}, "top-k"),
        ({"repetition_penalty": 0.0}, "repetition"),
        ({"min_p": 1.0}, "min-p"),
        ({"note_temperature": -0.1}, "note temperature"),
        ({"cfg_scale": -1.0}, "cfg scale"),
    ],
)
def test_meaningless_settings_are_refused(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SamplingParams(**setting)


def test_zero_temperature_ignores_the_seed(engine: Engine) -> None:
    params = SamplingParams(
        max_segment_tokens=30,
        temperature=0.0,
        position_temperature=0.0,
        top_k=1,
        taste=0.0,  # what a level is held to is its seed's
        refrain=0.0,
    )
    first, second = request(3, 1, lights=False), request(3, 1, lights=False)
    second.seed = 99
    made = [engine.generate([r], params)[0].bars for r in (first, second)]
    # when within a tick to move on is still drawn; what is placed first is not
    assert made[0][0][:2] == made[1][0][:2]


def test_repeated_patterns_become_rarer(engine: Engine) -> None:
    def repeats(penalty: float) -> int:
        params = SamplingParams(
            temperature=0.05,  # a random model hardly repeats itself
            cut_balance=0,
            max_segment_tokens=30,
            repetition_penalty=penalty,
            repetition_ngram=1,
            repetition_window=16,
        )
        total = 0
        for made in engine.generate([request(6, s, lights=False) for s in range(12)], params):
            said: list[tuple[int, int]] = []
            last = 0
            for bar, tokens in enumerate(made.bars):
                tick = 192 * bar
                for token in tokens:
                    if token in v.block_range("position"):
                        tick = 192 * bar + token - v.OFFSETS["position"]
                    if token in v.block_range("note"):
                        total += (tick - last, token) in said[-16:]
                        said.append((tick - last, token))
                        last = tick
        return total

    assert repeats(1e6) < repeats(1.0)


def test_presets_are_settings_and_may_be_changed() -> None:
    assert SamplingParams.preset("balanced") == SamplingParams()
    safe, balanced, wild = (SamplingParams.preset(name) for name in ("safe", "balanced", "wild"))
    assert set(PRESETS) == {"safe", "balanced", "wild"}
    assert safe.temperature < balanced.temperature < wild.temperature
    assert SamplingParams.preset("safe", temperature=0.5, seed=3) == SamplingParams(
        **{**PRESETS["safe"], "temperature": 0.5, "seed": 3}
    )
    with pytest.raises(ValueError, match="preset must be one of safe, balanced, wild"):
        SamplingParams.preset("bold")


def test_a_style_packs_maps_have_its_mappers_taste() -> None:
    params = SamplingParams(max_segment_tokens=30)
    plain, wide = request(3, 1), request(3, 1, style="wide")
    packed = replace(plain, cut_shares={"Expert": [1 / 108] * 108}, tastes=False)
    own = Row(0, plain, params).tilt()
    assert own.any()
    assert not Row(0, packed, params).tilt().any()
    assert not np.allclose(Row(0, wide, params).tilt(), own)


def test_a_style_to_avoid_needs_no_guidance(engine: Engine) -> None:
    """It makes another map, the same way alone and beside others; a word that is both asked for and
    to be avoided moves nothing."""
    plain, wide = request(6, 1), request(6, 1, style="wide")
    params = replace(PARAMS, max_segment_tokens=30)
    avoiding = replace(params, negative_style="wide")
    words, taste = (Row(0, one, params).tilt() for one in (wide, plain))
    assert np.allclose(Row(0, plain, avoiding).tilt(), taste - words, atol=1e-6)
    assert np.array_equal(Row(0, wide, avoiding).tilt(), taste)
    made = engine.generate([plain], params)[0].bars
    without = engine.generate([plain], avoiding)[0].bars
    assert without != made
    assert engine.generate([plain, wide], avoiding)[0].bars == without


def test_doubles_to_avoid_leave_their_notes_to_other_moments() -> None:
    asked, avoiding = (
        Row(0, request(24, 1), SamplingParams(negative_style=words)) for words in (None, "doubles")
    )
    assert isinstance(asked.rhythm, RhythmPlan)
    assert isinstance(avoiding.rhythm, RhythmPlan)
    assert avoiding.rhythm.planned.sum() > 1.05 * asked.rhythm.planned.sum()
