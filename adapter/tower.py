"""What hears: the audio tower's parts, the projector into the decoder's space, and the way from
grid frames to embeddings.

Plain torch, so that mapping need not import transformers; `saberlm.adapter.modeling_saber` makes
transformers' models of them, `saberlm.adapter.bare_model` one that only maps. Shapes as there.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from saberlm.adapter.conformer import ConformerEncoder
from saberlm.adapter.onset_head import OnsetHead
from saberlm.adapter.resampler import PerceiverResampler, QFormerResampler


class TowerParts:
    """Grid frames to latents, and latents to onset logits: for a module that calls `add_parts`."""

    feature_mean: Tensor
    feature_std: Tensor
    encoder: nn.Module
    resampler: nn.Module
    onset_head: nn.Module
    register_buffer: Any  # the module's

    def add_parts(self, config: Any) -> None:
        """Make the parts that a `saberlm.adapter.configuration_saber.SaberAudioConfig`, or the
        like, asks for.

        Raises:
            ValueError: an unknown resampler.
        """
        c = config
        self.register_buffer("feature_mean", torch.zeros(c.num_features))
        self.register_buffer("feature_std", torch.ones(c.num_features))
        self.encoder = ConformerEncoder(
            c.num_features,
            c.hidden_size,
            c.num_hidden_layers,
            c.num_attention_heads,
            window=c.attention_window,
            kernel_size=c.conv_kernel_size,
            cells_per_bar=c.cells_per_latent * c.latents_per_bar,
            dropout=float(c.dropout),
        )
        shape = {"cells_per_latent": c.cells_per_latent, "latents_per_bar": c.latents_per_bar}
        if c.resampler == "perceiver":
            self.resampler = PerceiverResampler(
                c.hidden_size,
                c.num_resampler_layers,
                c.num_attention_heads,
                span=c.resampler_span,
                dropout=float(c.dropout),
                **shape,
            )
        elif c.resampler == "qformer":
            self.resampler = QFormerResampler(
                c.hidden_size,
                c.num_resampler_layers,
                c.num_attention_heads,
                dropout=float(c.dropout),
                **shape,
            )
        else:
            raise ValueError(f"resampler must be 'perceiver' or 'qformer', found {c.resampler!r}")
        self.onset_head = OnsetHead(
            c.hidden_size,
            c.num_onset_layers,
            c.num_attention_heads,
            latents_per_bar=c.latents_per_bar,
            window=2 * c.latents_per_bar,
            kernel_size=c.conv_kernel_size,
            dropout=float(c.dropout),
        )

    def normalise(self, features: Tensor) -> Tensor:
        """Zero mean, unit variance per feature over the training songs."""
        return (features.float() - self.feature_mean) / self.feature_std

    def forward(self, audio_features: Tensor, audio_mask: Tensor) -> Tensor:
        """``(B, F, D)`` raw grid frames from a bar's start, ``(B, F)`` bool -> latents ``(B, N,
        H_a)``."""
        hidden = self.encoder(self.normalise(audio_features), audio_mask)
        return self.resampler(hidden, audio_mask)

    def onsets(self, latents: Tensor, latent_mask: Tensor, conditions: Tensor) -> Tensor:
        """Onset logits ``(B, T, 2)`` of T ticks; see `saberlm.adapter.onset_head.OnsetHead`."""
        return self.onset_head(latents, latent_mask, conditions)


class SaberProjector(nn.Module):
    """Latents and the song's sketch into the decoder's space, both marked with their bar's
    number."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        audio, hidden = config.audio_config, config.text_config.hidden_size
        self.hidden_size = hidden
        self.norm = nn.LayerNorm(audio.hidden_size)
        self.latent = nn.Linear(audio.hidden_size, hidden)
        self.sketch = nn.Sequential(
            nn.Linear(audio.num_features, audio.hidden_size),
            nn.GELU(),
            nn.Linear(audio.hidden_size, hidden),
        )
        self.bar = nn.Linear(64, hidden, bias=False)
        self.tick = (
            nn.Linear(audio.hidden_size, hidden, bias=False) if config.tick_latents else None
        )

    def bar_code(self, bars: Tensor) -> Tensor:
        """Sinusoids of a bar's number, ``(..., 64)``, periods 2 to 512 bars."""
        rates = torch.exp(torch.linspace(0.0, -5.545, 32, device=bars.device)) * torch.pi
        angle = bars[..., None].float() * rates
        return torch.cat([angle.sin(), angle.cos()], dim=-1)

    def forward(self, latents: Tensor, bars: Tensor) -> Tensor:
        """``(B, N, H_a)`` and each latent's bar ``(B, N)`` -> ``(B, N, H)``."""
        return self.latent(self.norm(latents)) + self.bar(self.bar_code(bars).to(latents.dtype))

    def at_ticks(self, latents: Tensor) -> Tensor:
        """What joins the embedding of a token said at a tick: its latent ``(..., H_a)`` -> ``(...,
        H)``."""
        assert self.tick is not None
        return self.tick(self.norm(latents))

    def project_sketch(self, sketch: Tensor) -> Tensor:
        """Normalised mean features of each bar ``(B, K, D)`` -> ``(B, K, H)``."""
        bars = torch.arange(sketch.shape[1], device=sketch.device)
        return self.sketch(sketch) + self.bar(self.bar_code(bars).to(sketch.dtype))


class HearingParts:
    """The way from grid frames to embeddings: for a module with a tower and a projector."""

    config: Any
    audio_tower: Any
    projector: Any

    def embed_audio(
        self,
        audio_features: Tensor,
        audio_num_bars: Tensor,
        sketch_features: Tensor,
        sketch_num_bars: Tensor,
        audio_first_bar: Tensor,
        audio_margin_bars: int = 0,
    ) -> tuple[Tensor, Tensor]:
        """Embeddings of a window's bars and of the song's sketch.

        Args:
            audio_features: raw grid frames ``(B, F, D)`` of the window with ``audio_margin_bars``
                bars either side.
            audio_num_bars: ``(B,)`` bars of the window in use, margins not counted.
            sketch_features: mean raw frame of every bar of the song ``(B, K, D)``.
            sketch_num_bars: ``(B,)`` bars of each song.
            audio_first_bar: ``(B,)`` number in the song of the window's first bar.
            audio_margin_bars: bars of context either side, encoded but not embedded.

        Returns:
            latents ``(B, N, H_a)`` without the margins, and embeddings ``(n, H)`` in placeholder
            order of each row, sketch first, rows one after the other.
        """
        c = self.config.audio_config
        per_bar = c.latents_per_bar
        cells = per_bar * c.cells_per_latent
        bars_in = audio_features.shape[1] // cells
        bar = torch.arange(bars_in, device=audio_features.device)[None]
        live = bar < (audio_num_bars + 2 * audio_margin_bars)[:, None]
        mask = live.repeat_interleave(cells, dim=1)
        latents = self.audio_tower(audio_features, mask)
        margin = audio_margin_bars * per_bar
        latents = latents[:, margin : latents.shape[1] - margin]
        place = torch.arange(latents.shape[1], device=latents.device)[None] // per_bar
        embeds = self.projector(latents, audio_first_bar[:, None] + place)
        sketch = self.projector.project_sketch(self.audio_tower.normalise(sketch_features))
        rows = []
        for row in range(latents.shape[0]):
            rows.append(sketch[row, : int(sketch_num_bars[row])])
            rows.append(embeds[row, : int(audio_num_bars[row]) * per_bar])
        return latents, torch.cat([r.to(embeds.dtype) for r in rows])
