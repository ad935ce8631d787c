"""Preference pairs to batches for TRL's `DPOTrainer`, their sound from latents made once.

The tower is frozen in DPO, so a song passes through it a single time; its latents are kept on disk
in half precision, named after the tower's weights.

Shapes: **N** latents of a song (16 a bar), **H_a** the tower's width, **S** tokens, **P** pairs of
a batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from saberlm.adapter.modeling_saber import SaberForConditionalGeneration
from saberlm.finetune.collator import PAD_MULTIPLE
from saberlm.finetune.critic_samples import encode_shard
from saberlm.finetune.preferences import judged_mask
from saberlm.finetune.shards import SongShard
from saberlm.prompts import vocab as v
from saberlm.prompts.stream import LATENTS_PER_SEGMENT


def check_hearing(model: SaberForConditionalGeneration, name: str) -> None:
    """Refuse a model that pairs are not made for.

    Raises:
        ValueError: its sequence has places for sound.
    """
    if model.config.audio_places:
        raise ValueError(
            f"{name}: expected a model trained with `audio: ticks` or `audio: none`, found one with"
            " places for sound between its tokens: pairs have none"
        )


def tower_hash(model: SaberForConditionalGeneration) -> str:
    """A name for the weights that turn sound into latents."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.model.audio_tower.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()[:12]


def cached_latents(
    model: SaberForConditionalGeneration, songs: Iterable[SongShard], folder: Path
) -> dict[str, Tensor]:
    """Latents ``(N, H_a)`` of songs by their key, from the disk where they lie there.

    Args:
        model: in evaluation mode.
        songs: cached songs.
        folder: to keep them in.
    """
    place = folder / tower_hash(model)
    place.mkdir(parents=True, exist_ok=True)
    out = {}
    for song in tqdm(list(songs), unit="song", desc="encoding", disable=None):
        path = place / f"{song.key}.safetensors"
        try:
            latents = load_file(path)["latents"]
        except (OSError, SafetensorError):
            latents = encode_shard(model, song).latents.detach().half().cpu().contiguous()
            temporary = path.with_suffix(".partial")
            save_file({"latents": latents}, temporary)
            temporary.replace(path)
        out[song.key] = latents
    return out


class DataCollatorForPreference:
    """Rows of `saberlm.finetune.preferences.PreferencePair`'s fields to a batch.

    All chosen rows come first, then all rejected ones. The completion mask is 1 on the tokens that
    the preference is about (`saberlm.finetune.preferences.judged_mask`).

    Args:
        latents: of the songs, by key; None for a model that hears nothing at its tokens.
    """

    def __init__(self, latents: Mapping[str, Tensor] | None = None) -> None:
        self.latents = latents

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """See the class.

        Returns:
            ``input_ids``, ``attention_mask`` and ``completion_mask`` ``(2 P, S)``,
            ``audio_latents`` ``(2 P, N, H_a)`` of the windows where the songs' are known, and
            ``ref_chosen_logps`` and ``ref_rejected_logps`` ``(P,)`` where the rows have them.
        """
        sides = [(row, name) for name in ("chosen", "rejected") for row in rows]
        ids = [[*row["prompt"], *row[name]] for row, name in sides]
        masks = [
            [0] * len(row["prompt"]) + judged_mask(row[name], when=row["when"])
            for row, name in sides
        ]
        width = -(-max(map(len, ids)) // PAD_MULTIPLE) * PAD_MULTIPLE

        def padded(lists: list[list[int]], value: int) -> Tensor:
            return torch.tensor([one + [value] * (width - len(one)) for one in lists])

        batch = {
            "input_ids": padded(ids, v.PAD),
            "attention_mask": padded([[1] * len(one) for one in ids], 0),
            "completion_mask": padded(masks, 0),
        }
        if self.latents is not None:
            heard = [self._window(row) for row, _ in sides]
            batch["audio_latents"] = torch.nn.utils.rnn.pad_sequence(heard, batch_first=True)
        for name in ("ref_chosen_logps", "ref_rejected_logps"):
            if name in rows[0]:
                batch[name] = torch.tensor([row[name] for row in rows])
        return batch

    def _window(self, row: Mapping[str, Any]) -> Tensor:
        assert self.latents is not None
        ends = row["first_bar"], row["first_bar"] + row["num_bars"]
        reach = slice(*(bar * LATENTS_PER_SEGMENT for bar in ends))
        return self.latents[row["song"]][reach].float()
