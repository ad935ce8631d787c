"""Descript's weights against transformers' codec: a likeness of Descript's network always, its own
class where the package is installed (see `dac_class`)."""

import math
import sys
import types
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from saberlm.adapter.descript import from_descript, load_descript, transformers_name
from saberlm.adapter.frontend import DacFrontEnd

RATIOS = (2, 4)
SIZES = {"encoder": 4, "latent": 12, "decoder": 16, "codebooks": 2, "entries": 16, "dim": 3}


def normed(layer: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the form that Descript's files have
        return nn.utils.weight_norm(layer)


class Snake(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.rand(1, channels, 1) + 0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.sin(self.alpha * x) ** 2 / (self.alpha + 1e-9)


class Sequence(nn.Module):
    """A sequence under Descript's attribute name, with a way round it or none."""

    def __init__(self, *layers: nn.Module, around: bool = False) -> None:
        super().__init__()
        self.block = nn.Sequential(*layers)
        self.around = around

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.block(x) if self.around else self.block(x)


def unit(size: int, dilation: int) -> nn.Module:
    return Sequence(
        Snake(size),
        normed(nn.Conv1d(size, size, 7, dilation=dilation, padding=3 * dilation)),
        Snake(size),
        normed(nn.Conv1d(size, size, 1)),
        around=True,
    )


class Likeness(nn.Module):
    """Encoder and decoder as ``dac.model.dac`` lays them out, and one level of projections each."""

    def __init__(self) -> None:
        super().__init__()
        size = SIZES["encoder"]
        layers = [normed(nn.Conv1d(1, size, 7, padding=3))]
        for ratio in RATIOS:
            units = [unit(size, dilation) for dilation in (1, 3, 9)]
            down = nn.Conv1d(size, 2 * size, 2 * ratio, ratio, padding=math.ceil(ratio / 2))
            layers.append(Sequence(*units, Snake(size), normed(down)))
            size *= 2
        layers += [Snake(size), normed(nn.Conv1d(size, SIZES["latent"], 3, padding=1))]
        self.encoder = Sequence(*layers)
        size = SIZES["decoder"]
        layers = [normed(nn.Conv1d(SIZES["latent"], size, 7, padding=3))]
        for ratio in reversed(RATIOS):
            up = nn.ConvTranspose1d(size, size // 2, 2 * ratio, ratio, padding=math.ceil(ratio / 2))
            size //= 2
            units = [unit(size, dilation) for dilation in (1, 3, 9)]
            layers.append(Sequence(Snake(2 * size), normed(up), *units))
        layers += [Snake(size), normed(nn.Conv1d(size, 1, 7, padding=3)), nn.Tanh()]
        self.decoder = nn.Module()
        self.decoder.model = nn.Sequential(*layers)
        self.quantizer = nn.Module()
        levels = []
        for _ in range(SIZES["codebooks"]):
            level = nn.Module()
            level.in_proj = normed(nn.Conv1d(SIZES["latent"], SIZES["dim"], 1))
            level.out_proj = normed(nn.Conv1d(SIZES["dim"], SIZES["latent"], 1))
            level.codebook = nn.Embedding(SIZES["entries"], SIZES["dim"])
            levels.append(level)
        self.quantizer.quantizers = nn.ModuleList(levels)


@pytest.fixture
def likeness() -> Likeness:
    torch.manual_seed(0)
    return Likeness().eval()


@pytest.mark.filterwarnings("ignore")
def test_the_likeness_and_its_copy_make_the_same(likeness: Likeness, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    metadata = {"kwargs": {"sample_rate": 24_000}}
    torch.save({"state_dict": likeness.state_dict(), "metadata": metadata}, path)
    model = load_descript(path).eval()
    assert model.config.downsampling_ratios == list(RATIOS)
    assert model.config.sampling_rate == 24_000
    assert (model.config.n_codebooks, model.config.codebook_size) == (2, 16)
    sound = torch.randn(1, 1, 512) * 0.3
    with torch.no_grad():
        latents = likeness.encoder(sound)
        assert torch.allclose(model.encoder(sound), latents, atol=1e-5)
        assert torch.allclose(model.decoder(latents), likeness.decoder.model(latents), atol=1e-5)
        level = likeness.quantizer.quantizers[1]
        copied = model.quantizer.quantizers[1]
        assert torch.allclose(copied.in_proj(latents), level.in_proj(latents), atol=1e-5)
    front = DacFrontEnd.from_pretrained(path)
    assert (front.num_features, front.hop) == (SIZES["latent"], 8)


def test_every_weight_has_one_name(likeness: Likeness) -> None:
    plain = {key.replace("weight_v", "weight") for key in likeness.state_dict()}
    plain = {key for key in plain if not key.endswith("weight_g")}
    names = {transformers_name(key, len(RATIOS), len(RATIOS)) for key in plain}
    assert len(names) == len(plain)
    for wrong in ("discriminator.0.weight", "encoder.block.9.weight", "encoder.block.1.block.7.x"):
        with pytest.raises(KeyError, match=wrong.replace(".", r"\.")):
            transformers_name(wrong, 2, 2)


def test_other_files_are_refused(likeness: Likeness, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(ValueError, match="does not read"):
        load_descript(path)
    torch.save({"weights": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match="another model's weights"):
        load_descript(path)
    state = likeness.state_dict()
    with pytest.raises(ValueError, match=r"alone, found 'discriminator\.weight'"):
        from_descript({**state, "discriminator.weight": torch.zeros(1)}, 24_000)
    del state["encoder.block.1.block.0.block.0.alpha"]
    with pytest.raises(ValueError, match="found others"):
        from_descript(state, 24_000)
    with pytest.raises(ValueError, match="found none called"):
        from_descript({"encoder.block.0.weight": torch.zeros(4, 1, 7)}, 24_000)


@pytest.fixture
def dac_class(monkeypatch: pytest.MonkeyPatch) -> type[nn.Module]:
    """Descript's own network; opt in by ``pip install --no-deps descript-audio-codec einops``.

    Its audiotools, which pins old packages and only reads and writes files, is stood in for.
    """
    if "audiotools" not in sys.modules:
        tools, ml = types.ModuleType("audiotools"), types.ModuleType("audiotools.ml")
        base = type("BaseModel", (nn.Module,), {"INTERN": [], "EXTERN": []})
        ml.BaseModel, tools.ml = base, ml  # type: ignore[attr-defined]
        tools.AudioSignal = tools.STFTParams = object  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "audiotools", tools)
        monkeypatch.setitem(sys.modules, "audiotools.ml", ml)
    monkeypatch.setitem(sys.modules, "dac.utils", types.ModuleType("dac.utils"))  # command lines
    return pytest.importorskip("dac.model.dac").DAC


@pytest.mark.filterwarnings("ignore")
def test_descripts_own_class_and_its_copy_make_the_same(dac_class: type[nn.Module]) -> None:
    torch.manual_seed(0)
    theirs = dac_class(
        encoder_dim=4,
        encoder_rates=[2, 4],
        decoder_dim=16,
        decoder_rates=[4, 2],
        n_codebooks=3,
        codebook_size=16,
        codebook_dim=4,
        sample_rate=24_000,
    ).eval()
    for parameter in theirs.parameters():  # fresh biases are 0 and sizes 1: say more
        parameter.data += 0.1 * torch.randn_like(parameter)
    ours = from_descript(theirs.state_dict(), 24_000).eval()
    sound = torch.randn(1, 1, 1024) * 0.3
    with torch.no_grad():
        latents = theirs.encoder(sound)
        quantized, codes, *_ = theirs.quantizer(latents)
        assert torch.allclose(ours.encoder(sound), latents, atol=1e-5)
        our_quantized, our_codes, *_ = ours.quantizer(latents)
        assert torch.equal(our_codes, codes)
        assert torch.allclose(our_quantized, quantized, atol=1e-5)
        assert torch.allclose(ours.decoder(quantized), theirs.decode(quantized), atol=1e-5)
