import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModel

import saberlm.adapter.register
from saberlm.adapter.loading import load_model
from saberlm.adapter.modeling_saber import SaberForConditionalGeneration
from saberlm.adapter.onset_head import onset_loss
from saberlm.adapter.processing_saber import SaberProcessor, make_tokenizer
from saberlm.prompts import vocab as v
from saberlm.prompts.header import Conditions
from saberlm.prompts.stream import MapPrompt


def batch(model: Any, rows: int = 2, bars: int = 2, song_bars: int = 5) -> dict[str, Any]:
    torch.manual_seed(1)
    note = v.token_id("note", 7)
    stream = MapPrompt(Conditions("Expert", 4.0), song_bars).window(
        0, [[v.token_id("position", 3), note]] * bars, [True] * bars, ends=False
    )
    return {
        "input_ids": torch.tensor([stream.ids] * rows),
        "audio_features": torch.randn(rows, (bars + 2) * 48, 120),
        "audio_num_bars": torch.full((rows,), bars),
        "audio_first_bar": torch.arange(rows),
        "sketch_features": torch.randn(rows, song_bars, 120),
        "sketch_num_bars": torch.full((rows,), song_bars),
        "audio_margin_bars": 1,
        "onset_conditions": torch.tensor([[3.0, 4.0, 0.0, 1.0]] * rows),
        "onset_targets": torch.zeros(rows, bars * 192, dtype=torch.int8),
    }


@pytest.mark.parametrize("resampler", ["perceiver", "qformer"])
def test_forward_and_backward_reach_every_weight(make_config: Any, resampler: str) -> None:
    model = SaberForConditionalGeneration(make_config(resampler))
    inputs = batch(model)
    out = model(**inputs, labels=inputs["input_ids"])
    assert out.logits.shape == (*inputs["input_ids"].shape, 1728)
    assert model.model.onset_loss is not None
    (out.loss + model.model.onset_loss).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None]
    assert without == []


@pytest.mark.parametrize("resampler", ["perceiver", "qformer"])
def test_padded_bars_change_nothing(make_config: Any, resampler: str) -> None:
    torch.manual_seed(0)
    model = SaberForConditionalGeneration(make_config(resampler)).eval()
    inputs = batch(model)
    names = (
        "audio_features",
        "audio_num_bars",
        "sketch_features",
        "sketch_num_bars",
        "audio_first_bar",
    )
    given = [inputs[name] for name in names]
    with torch.no_grad():
        short = model.model.get_audio_features(*given, 1, return_dict=True).pooler_output
        given[0] = torch.cat([given[0], torch.randn(2, 3 * 48, 120)], dim=1)
        long = model.model.get_audio_features(*given, 1, return_dict=True).pooler_output
    assert torch.allclose(short, long, atol=1e-5)


def test_placeholders_are_counted(tiny_model: Any) -> None:
    inputs = batch(tiny_model)
    inputs["audio_num_bars"] = torch.tensor([1, 2])
    with pytest.raises(ValueError, match="audio placeholders but the audio gave"):
        tiny_model(**inputs)


def test_embeddings_made_before_give_the_same_logits(tiny_model: Any) -> None:
    inputs = batch(tiny_model)
    names = (
        "audio_features",
        "audio_num_bars",
        "sketch_features",
        "sketch_num_bars",
        "audio_first_bar",
    )
    with torch.no_grad():
        direct = tiny_model(**inputs).logits
        made = tiny_model.get_audio_features(*[inputs[n] for n in names], 1, return_dict=True)
        before = {"input_ids": inputs["input_ids"], "audio_embeds": made.pooler_output}
        later = tiny_model(**before, audio_latents=made.last_hidden_state).logits
    assert torch.allclose(direct, later, atol=1e-5)
    with pytest.raises(ValueError, match="expected audio_latents"):
        tiny_model(**before)


def test_each_tick_is_heard_by_the_tokens_said_at_it(tiny_model: Any) -> None:
    """Another sound at one latent changes the tokens of its ticks, in its bar, and no others."""
    position = v.OFFSETS["position"]
    note = v.OFFSETS["note"]
    bar = [v.SEG, v.AUDIO, position + 13, note, position + 40, note + 3, note + 5, v.END_SEG]
    ids = torch.tensor([[v.HEADER, *bar, *bar]])
    latents = torch.randn(1, 32, 24)
    other = latents.clone()
    other[0, 16 + 3] += 1.0  # ticks 36-47 of the second bar
    with torch.no_grad():
        changed = (tiny_model.model.tick_embeds(ids, latents) != 0).any(2)[0]
        moved = (
            tiny_model.model.tick_embeds(ids, latents) != tiny_model.model.tick_embeds(ids, other)
        ).any(2)[0]
    assert changed.nonzero()[:, 0].tolist() == [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]
    assert moved.nonzero()[:, 0].tolist() == [13, 14, 15]


def test_onset_loss_ignores_unknown_ticks() -> None:
    logits = torch.randn(1, 24, 2)
    targets = torch.tensor([[0, 1, 2] * 4 + [-1] * 12], dtype=torch.int8)
    changed = logits.clone()
    changed[:, 12:] = 50
    assert torch.equal(onset_loss(logits, targets), onset_loss(changed, targets))


def test_save_and_load_through_the_auto_classes(tiny_model: Any, tmp_path: Path) -> None:
    tiny_model.save_pretrained(tmp_path)
    SaberProcessor().save_pretrained(tmp_path)
    assert not list(tmp_path.glob("*.bin")), "weights are safetensors, never pickle"
    assert AutoConfig.from_pretrained(tmp_path).vocab_fingerprint == v.fingerprint()
    assert type(AutoModel.from_pretrained(tmp_path)).__name__ == "SaberModel"
    auto = saberlm.adapter.register.AutoModelForMultimodalLM.from_pretrained(tmp_path).eval()
    inputs = batch(tiny_model)
    with torch.no_grad():
        assert torch.equal(auto(**inputs).logits, tiny_model(**inputs).logits)


def test_generate_with_a_cache_equals_without(tiny_model: Any) -> None:
    """Without the road to ticks: with it, decoding is the engine's."""
    tiny_model = copy.deepcopy(tiny_model)
    tiny_model.model.projector.tick = None
    inputs = batch(tiny_model, rows=1)
    inputs.pop("onset_targets")
    kept = {"max_new_tokens": 6, "do_sample": False, "pad_token_id": 0, "eos_token_id": None}
    with torch.no_grad():
        cached = tiny_model.generate(**inputs, **kept, use_cache=True)
        slow = tiny_model.generate(**inputs, **kept, use_cache=False)
    assert torch.equal(cached, slow)


def test_tokenizer_spells_ids() -> None:
    tokenizer = make_tokenizer()
    assert tokenizer("<12> <1676>")["input_ids"] == [12, 1676]
    assert tokenizer.pad_token_id == v.PAD
    assert tokenizer.eos_token_id == v.END_MAP


class TestLoading:
    """Every bad model folder gets one line that says what is wrong."""

    @pytest.fixture
    def folder(self, tiny_model: Any, tmp_path: Path) -> Path:
        """A good model folder."""
        tiny_model.save_pretrained(tmp_path)
        return tmp_path

    def test_a_good_folder_loads(self, folder: Path) -> None:
        assert load_model(folder, v.fingerprint()).name == folder.name

    def test_weights_cut_in_half(self, folder: Path) -> None:
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
        with pytest.raises(ValueError, match="cut short"):
            load_model(folder, v.fingerprint())

    def test_another_vocabulary(self, folder: Path) -> None:
        with pytest.raises(ValueError, match="another version of saberlm"):
            load_model(folder, "0123456789abcdef")

    def test_no_such_model(self) -> None:
        with pytest.raises(ValueError, match="likely a misspelt name"):
            load_model("nanoo", v.fingerprint())

    def test_not_a_model_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"config\.json"):
            load_model(tmp_path, v.fingerprint())

    def test_weights_of_another_size(self, folder: Path) -> None:
        from safetensors.torch import load_file, save_file

        tensors = load_file(folder / "model.safetensors")
        tensors.pop("lm_head.weight")
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(ValueError, match="missing"):
            load_model(folder, v.fingerprint())

    def test_broken_config(self, folder: Path) -> None:
        (folder / "config.json").write_text("{ not json")
        with pytest.raises(ValueError, match="expected a saberlm configuration"):
            load_model(folder, v.fingerprint())
