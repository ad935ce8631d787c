"""The control of every timing score: the same request, heard with another song's audio.

A model that knows metre alone scores high, so what it hears is the difference between its own
song and another's laid on the same beats (DESIGN section 4).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from saberlm.infer.engine import SongEncoding
from saberlm.prompts.stream import LATENTS_PER_SEGMENT

if TYPE_CHECKING:
    from saberlm.adapter.modeling_saber import SaberForConditionalGeneration


@torch.no_grad()
def laid_over(
    model: SaberForConditionalGeneration, other: SongEncoding, num_bars: int
) -> SongEncoding:
    """Another song's encoding on a song's bars: repeated or cut to as many, its bars numbered anew.

    Args:
        model: The model that encoded it.
        other: The other song's encoding, of at least one bar.
        num_bars: Bars of the song to stand in for.
    """
    times = -(-num_bars // other.num_bars)
    latents = other.latents.repeat(times, 1)[: num_bars * LATENTS_PER_SEGMENT]
    bars = torch.arange(len(latents), device=latents.device)[None] // LATENTS_PER_SEGMENT
    return replace(
        other,
        latents=latents,
        embeds=model.model.projector(latents[None], bars)[0],
        sketch=other.sketch.repeat(times, 1)[:num_bars],
        num_bars=num_bars,
    )
