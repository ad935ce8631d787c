from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from saberlm.infer.density import DensityControl, solve_bias
from saberlm.infer.engine import Engine, MapRequest, SongEncoding
from saberlm.infer.sampling import SamplingParams, draw, filter_logits
from saberlm.prompts import vocab as v
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
    seen: list[torch.Tensor] = []
    original = engine._run

    def spy(*args: Any) -> torch.Tensor:
        seen.append(original(*args))
        return seen[-1]

    engine._run = spy  # type: ignore[method-assign]
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
    assert torch.allclose(torch.stack(expected), torch.cat(seen), atol=1e-4)


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


def test_draw_follows_the_chances_and_never_leaves_them() -> None:
    log_probs = torch.log(torch.tensor([[0.0, 0.2, 0.0, 0.5, 0.3, 0.0]]))
    uniform = torch.linspace(0, 1, 1001, dtype=torch.float64)
    picked = draw(log_probs.expand(1001, -1), uniform)
    shares = np.bincount(picked.numpy(), minlength=6) / 1001
    np.testing.assert_allclose(shares, [0, 0.2, 0, 0.5, 0.3, 0], atol=0.002)


def test_filters_keep_the_likeliest() -> None:
    log_probs = torch.log(torch.tensor([[0.1, 0.4, 0.3, 0.2]]))
    assert torch.isfinite(filter_logits(log_probs, 1.0, 2)).tolist() == [[False, True, True, False]]
    assert torch.isfinite(filter_logits(log_probs, 0.6, 0)).tolist() == [[False, True, True, False]]
    assert torch.isfinite(filter_logits(log_probs, 0.01, 0)).sum() == 1


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"temperature": -1.0}, "temperature"),
        ({"top_p": 0.0}, "top-p"),
        ({"top_k": -1}, "top-k"),
        ({"repetition_penalty": 0.0}, "repetition"),
    ],
)
def test_meaningless_settings_are_refused(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SamplingParams(**setting)


def test_zero_temperature_ignores_the_seed(engine: Engine) -> None:
    params = SamplingParams(
        max_segment_tokens=30, temperature=0.0, position_temperature=0.0, top_k=1
    )
    first, second = request(3, 1, lights=False), request(3, 1, lights=False)
    second.seed = 99
    made = [engine.generate([r], params)[0].bars for r in (first, second)]
    # when within a tick to move on is still drawn; what is placed first is not
    assert made[0][0][:2] == made[1][0][:2]


def test_repeated_notes_become_rarer(engine: Engine) -> None:
    def repeats(penalty: float) -> int:
        params = SamplingParams(max_segment_tokens=30, repetition_penalty=penalty)
        total = 0
        for made in engine.generate([request(6, s, lights=False) for s in range(4)], params):
            notes = [t for bar in made.bars for t in bar if t in v.block_range("note")]
            total += sum(t in notes[max(0, i - 16) : i] for i, t in enumerate(notes))
        return total

    assert repeats(1e6) < repeats(1.0)
