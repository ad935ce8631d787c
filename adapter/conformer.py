"""The Conformer: bidirectional, attending within windows, so a whole song costs what its length
costs.

Macaron blocks after Gulati et al., "Conformer" (2020): half feed-forward, self-attention,
convolution, half feed-forward.
Shapes: **B** batch, **F** frames (grid cells), **H_a** adapter hidden size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class FeedForward(nn.Module):
    """Pre-norm feed-forward with SiLU."""

    def __init__(self, hidden_size: int, expansion: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden_size)
        self.up = nn.Linear(hidden_size, expansion * hidden_size)
        self.down = nn.Linear(expansion * hidden_size, hidden_size)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, F, H_a)`` to the same shape (residual not added)."""
        return self.dropout(self.down(functional.silu(self.up(self.norm(x)))))


class WindowedAttention(nn.Module):
    """Self-attention of each window of frames to itself and its two neighbours, with a learned
    bias by distance."""

    def __init__(self, hidden_size: int, num_heads: int, window: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.window = window
        self.norm = nn.LayerNorm(hidden_size)
        self.qkv = nn.Linear(hidden_size, 3 * hidden_size)
        self.out = nn.Linear(hidden_size, hidden_size)
        self.distance_bias = nn.Parameter(torch.zeros(num_heads, 4 * window - 1))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """``x`` ``(B, F, H_a)``, ``mask`` ``(B, F)`` true where there is sound; residual not
        added."""
        batch, frames, hidden = x.shape
        window, heads = self.window, self.num_heads
        padded = -frames % window
        num_windows = (frames + padded) // window
        x = functional.pad(self.norm(x), (0, 0, 0, padded))
        query, key, value = self.qkv(x).chunk(3, dim=-1)

        def neighbours(y: Tensor) -> Tensor:
            # (B, W, window, ...) with the windows before and after: (B, W, 3 window, ...)
            y = functional.pad(y, (0, 0, window, window))
            y = y.unfold(1, 3 * window, window)  # (B, W, C, 3 window)
            return y.transpose(2, 3)

        query = query.view(batch * num_windows, window, heads, -1).transpose(1, 2)
        key = neighbours(key).reshape(batch * num_windows, 3 * window, heads, -1).transpose(1, 2)
        value = (
            neighbours(value).reshape(batch * num_windows, 3 * window, heads, -1).transpose(1, 2)
        )
        live = neighbours(functional.pad(mask, (0, padded))[..., None].to(x.dtype))
        live = live.reshape(batch * num_windows, 1, 1, 3 * window) > 0.5
        place = torch.arange(window, device=x.device)
        distance = torch.arange(3 * window, device=x.device)[None] - place[:, None]
        bias = self.distance_bias[:, distance + window - 1].to(
            query.dtype
        )  # (heads, window, 3 window)
        bias = bias.masked_fill(~live, -1e4)  # finite, so a wholly padded window stays finite too
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        mixed = mixed.transpose(1, 2).reshape(batch, num_windows * window, hidden)[:, :frames]
        return self.dropout(self.out(mixed))


class ConvolutionModule(nn.Module):
    """Gated depthwise convolution over time."""

    def __init__(self, hidden_size: int, kernel_size: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden_size)
        self.gate = nn.Linear(hidden_size, 2 * hidden_size)
        self.depthwise = nn.Conv1d(
            hidden_size, hidden_size, kernel_size, padding=kernel_size // 2, groups=hidden_size
        )
        self.middle_norm = nn.LayerNorm(hidden_size)
        self.out = nn.Linear(hidden_size, hidden_size)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """``(B, F, H_a)`` and ``(B, F)`` to ``(B, F, H_a)`` (residual not added)."""
        y = functional.glu(self.gate(self.norm(x)), dim=-1) * mask[..., None].to(x.dtype)
        y = self.depthwise(y.transpose(1, 2)).transpose(1, 2)
        return self.dropout(self.out(functional.silu(self.middle_norm(y))))


class ConformerBlock(nn.Module):
    """One macaron block."""

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        *,
        window: int,
        kernel_size: int,
        expansion: int = 2,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.ff1 = FeedForward(hidden_size, expansion, dropout)
        self.attention = WindowedAttention(hidden_size, num_heads, window, dropout)
        self.convolution = ConvolutionModule(hidden_size, kernel_size, dropout)
        self.ff2 = FeedForward(hidden_size, expansion, dropout)
        self.norm = nn.LayerNorm(hidden_size)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """``x`` ``(B, F, H_a)``, ``mask`` ``(B, F)``; frames outside the mask influence nothing
        inside it."""
        x = x + 0.5 * self.ff1(x)
        x = x + self.attention(x, mask)
        x = x + self.convolution(x, mask)
        x = x + 0.5 * self.ff2(x)
        return self.norm(x)


class ConformerEncoder(nn.Module):
    """Grid frames of a front end to hidden frames: normalise, convolve, say where in the bar, then
    the blocks."""

    def __init__(
        self,
        num_features: int,
        hidden_size: int,
        num_layers: int,
        num_heads: int,
        *,
        window: int,
        kernel_size: int,
        cells_per_bar: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.cells_per_bar = cells_per_bar
        self.stem1 = nn.Conv1d(num_features, hidden_size, 5, padding=2)
        self.stem_norm1 = nn.LayerNorm(hidden_size)
        self.stem2 = nn.Conv1d(hidden_size, hidden_size, 5, padding=2)
        self.stem_norm2 = nn.LayerNorm(hidden_size)
        self.bar_phase = nn.Embedding(cells_per_bar, hidden_size)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            ConformerBlock(
                hidden_size, num_heads, window=window, kernel_size=kernel_size, dropout=dropout
            )
            for _ in range(num_layers)
        )

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Grid frames ``(B, F, D)`` starting on a bar, mask ``(B, F)`` -> ``(B, F, H_a)``."""
        live = mask[..., None].to(frames.dtype)
        x = self.stem1((frames * live).transpose(1, 2)).transpose(1, 2)
        x = functional.gelu(self.stem_norm1(x)) * live
        y = self.stem2(x.transpose(1, 2)).transpose(1, 2)
        x = x + functional.gelu(self.stem_norm2(y))
        phase = torch.arange(x.shape[1], device=x.device) % self.cells_per_bar
        x = self.dropout(x + self.bar_phase(phase))
        for layer in self.layers:
            x = layer(x, mask)
        return x
