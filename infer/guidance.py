"""Classifier-free guidance: away from a map of which nothing was asked, or a style to avoid.

A second row hears the same bars under a header that leaves out what was asked; the decoder's logits
move from that row's towards, and past, the first one's: ``unasked + scale * (asked - unasked)``.
The onset head's logits do the same, its notes/s unknown where nothing is asked.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import torch

from saberlm.infer.density import DensityControl
from saberlm.infer.sampling import SamplingParams
from saberlm.prompts.header import Conditions, onset_conditions

if TYPE_CHECKING:
    from saberlm.adapter.modeling_saber import SaberForConditionalGeneration
    from saberlm.infer.engine_row import MapRequest

KEPT = ("difficulty", "bpm", "lights", "arcs", "chains", "bombs", "walls")
"""Facts of the task rather than wishes: guidance leaves them in both headers."""
SILENT = -20.0
"""Below it a tick's logits say that there is no song, which no scale may change."""


def unasked(conditions: Conditions, negative_style: str | None = None) -> Conditions:
    """The header to move away from: wishes unknown, or the style one that is not wanted."""
    wishes: dict[str, Any] = {f.name: None for f in fields(conditions) if f.name not in KEPT}
    return replace(conditions, **{**wishes, "style": negative_style})


def guided_onsets(
    model: SaberForConditionalGeneration, request: MapRequest, params: SamplingParams
) -> MapRequest:
    """The request with the onset head's logits guided, and its notes spread by them."""
    if request.conditions.nps is None:
        return request  # the head hears the same of both headers
    without = onset_conditions(unasked(request.conditions, params.negative_style))
    latents = request.song.latents[None]
    with torch.inference_mode():
        mask = torch.ones(latents.shape[:2], dtype=torch.bool, device=latents.device)
        row = torch.from_numpy(without)[None].to(latents.device)
        other = model.model.audio_tower.onsets(latents, mask, row)[0].float()
    asked = request.onset_logits
    guided = torch.where(asked > SILENT, other + params.cfg_scale * (asked - other), asked)
    density = request.density
    if density is not None:
        density = DensityControl(guided[:, 0], 1.0, density.wanted, density.notes_per_onset)
    return replace(request, onset_logits=guided, density=density)
