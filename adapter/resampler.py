"""Resamplers: hidden frames on the beat grid to a few latents a beat.

Both are beat-synchronous: latent n of a bar asks with its own phase. ``perceiver`` lets each
latent look at the frames around
its time (Flamingo's Perceiver resampler, made local); ``qformer`` gives each bar its own set of
queries that also attend to each
other (BLIP-2's Q-Former in windows, as GraniteSpeech has it). Shapes: **N** latents, otherwise as
in `conformer`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from saberlm.adapter.conformer import FeedForward


class LocalCrossAttention(nn.Module):
    """Each latent attends to the ``span`` frames around its own time."""

    def __init__(self, hidden_size: int, num_heads: int, stride: int, span: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.stride = stride
        self.span = span
        self.query_norm = nn.LayerNorm(hidden_size)
        self.frame_norm = nn.LayerNorm(hidden_size)
        self.query = nn.Linear(hidden_size, hidden_size)
        self.key_value = nn.Linear(hidden_size, 2 * hidden_size)
        self.out = nn.Linear(hidden_size, hidden_size)
        self.place_bias = nn.Parameter(torch.zeros(num_heads, span))

    def forward(self, latents: Tensor, frames: Tensor, mask: Tensor) -> Tensor:
        """``latents`` ``(B, N, H_a)``, ``frames`` ``(B, F, H_a)`` with F = N * stride, ``mask``
        ``(B, F)``."""
        batch, num_latents, hidden = latents.shape
        heads, size = self.num_heads, hidden // self.num_heads
        before = (self.span - self.stride) // 2
        after = self.span - self.stride - before
        query = self.query(self.query_norm(latents)).view(batch, num_latents, heads, size)
        key_value = self.key_value(self.frame_norm(frames))
        key_value = functional.pad(key_value, (0, 0, before, after)).unfold(
            1, self.span, self.stride
        )
        key, value = key_value.view(batch, num_latents, 2, heads, size, self.span).unbind(2)
        live = functional.pad(mask, (before, after)).unfold(1, self.span, self.stride)
        scores = torch.einsum("bnhc,bnhcs->bnhs", query, key) * size**-0.5
        scores = scores + self.place_bias.to(scores.dtype)
        scores = scores.masked_fill(~live[:, :, None], -1e4)
        mixed = torch.einsum("bnhs,bnhcs->bnhc", scores.softmax(-1).to(value.dtype), value)
        return self.out(mixed.reshape(batch, num_latents, hidden))


class PerceiverResampler(nn.Module):
    """Beat-synchronous Perceiver: queries made of their phase in the bar and the frame under
    them."""

    def __init__(
        self,
        hidden_size: int,
        num_layers: int,
        num_heads: int,
        *,
        cells_per_latent: int,
        latents_per_bar: int,
        span: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.cells_per_latent = cells_per_latent
        self.latents_per_bar = latents_per_bar
        self.query = nn.Parameter(torch.randn(latents_per_bar, hidden_size) * 0.02)
        self.attention = nn.ModuleList(
            LocalCrossAttention(hidden_size, num_heads, cells_per_latent, span)
            for _ in range(num_layers)
        )
        self.feed_forward = nn.ModuleList(
            FeedForward(hidden_size, 2, dropout) for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(hidden_size)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """``(B, F, H_a)``, ``(B, F)`` with F whole bars -> ``(B, N, H_a)``."""
        num_latents = frames.shape[1] // self.cells_per_latent
        phase = torch.arange(num_latents, device=frames.device) % self.latents_per_bar
        latents = self.query[phase] + frames[:, :: self.cells_per_latent]
        for attention, feed_forward in zip(self.attention, self.feed_forward, strict=True):
            latents = latents + attention(latents, frames, mask)
            latents = latents + feed_forward(latents)
        return self.norm(latents)


class QFormerResampler(nn.Module):
    """Windowed Q-Former: each bar's queries attend to each other and to the bar's frames and half
    a bar either side."""

    def __init__(
        self,
        hidden_size: int,
        num_layers: int,
        num_heads: int,
        *,
        cells_per_latent: int,
        latents_per_bar: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.cells_per_bar = cells_per_latent * latents_per_bar
        self.latents_per_bar = latents_per_bar
        self.query = nn.Parameter(torch.randn(latents_per_bar, hidden_size) * 0.02)
        self.frame_place = nn.Parameter(torch.randn(2 * self.cells_per_bar, hidden_size) * 0.02)
        self.self_attention = nn.ModuleList(
            nn.MultiheadAttention(hidden_size, num_heads, batch_first=True)
            for _ in range(num_layers)
        )
        self.cross_attention = nn.ModuleList(
            nn.MultiheadAttention(hidden_size, num_heads, batch_first=True)
            for _ in range(num_layers)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(hidden_size) for _ in range(3 * num_layers))
        self.feed_forward = nn.ModuleList(
            FeedForward(hidden_size, 2, dropout) for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(hidden_size)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """``(B, F, H_a)``, ``(B, F)`` with F whole bars -> ``(B, N, H_a)``."""
        batch, num_frames, hidden = frames.shape
        bars, side = num_frames // self.cells_per_bar, self.cells_per_bar // 2
        windows = functional.pad(frames, (0, 0, side, side))
        windows = windows.unfold(1, 2 * self.cells_per_bar, self.cells_per_bar).transpose(2, 3)
        windows = windows.reshape(batch * bars, -1, hidden) + self.frame_place
        live = functional.pad(mask, (side, side)).unfold(
            1, 2 * self.cells_per_bar, self.cells_per_bar
        )
        dead = ~live.reshape(batch * bars, -1)
        dead = dead & ~dead.all(
            1, keepdim=True
        )  # a wholly padded bar attends to its padding: finite, and unused
        latents = self.query.expand(batch * bars, -1, -1)
        for i, (own, cross, feed_forward) in enumerate(
            zip(self.self_attention, self.cross_attention, self.feed_forward, strict=True)
        ):
            y = self.norms[3 * i](latents)
            latents = latents + own(y, y, y, need_weights=False)[0]
            y = self.norms[3 * i + 1](latents)
            keys = self.norms[3 * i + 2](windows)
            latents = latents + cross(y, keys, keys, key_padding_mask=dead, need_weights=False)[0]
            latents = latents + feed_forward(latents)
        return self.norm(latents).view(batch, bars * self.latents_per_bar, hidden)
