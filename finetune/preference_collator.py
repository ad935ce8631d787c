"""Preference pairs to batches for TRL's `DPOTrainer`, their sound from embeddings made once.

The tower is frozen in DPO, so a song passes through it a single time; what it gave (latents, their
projection, the song's sketch) is kept on disk in half precision, named after the tower's weights.

Shapes: **N** latents of a song (16 a bar), **H_a** the tower's width, **H** the decoder's, **K**
bars of a song, **S** tokens, **P** pairs of a batch.
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
from saberlm.infer.engine import SongEncoding
from saberlm.prompts import vocab as v
from saberlm.prompts.stream import LATENTS_PER_SEGMENT


def tower_hash(model: SaberForConditionalGeneration) -> str:
    """A name for the weights that turn sound into embeddings."""
    digest = hashlib.sha256()
    for part in (model.model.audio_tower, model.model.projector):
        for name, tensor in sorted(part.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()[:12]


def cached_encodings(
    model: SaberForConditionalGeneration, songs: Iterable[SongShard], folder: Path
) -> dict[str, SongEncoding]:
    """Songs by their key as the tower hears them, from the disk where they lie there.

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
            parts = load_file(path)
        except (OSError, SafetensorError):
            made = encode_shard(model, song)
            names = ("latents", "embeds", "sketch")
            parts = {n: getattr(made, n).detach().half().cpu().contiguous() for n in names}
            temporary = path.with_suffix(".partial")
            save_file(parts, temporary)
            temporary.replace(path)
        out[song.key] = SongEncoding(**parts, num_bars=song.num_bars)
    return out


class DataCollatorForPreference:
    """Rows of `saberlm.finetune.preferences.PreferencePair`'s fields to a batch.

    All chosen rows come first, then all rejected ones, each with the sound of its own window. The
    completion mask is 1 on the tokens that the preference is about
    (`saberlm.finetune.preferences.judged_mask`): not on places of sound, nor on lights.

    Args:
        encodings: of the songs, by key.
    """

    def __init__(self, encodings: Mapping[str, SongEncoding]) -> None:
        self.encodings = encodings

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """See the class.

        Returns:
            ``input_ids``, ``attention_mask`` and ``completion_mask`` ``(2 P, S)``, ``audio_embeds``
            ``(n, H)`` in the order of the places, ``audio_latents`` ``(2 P, N, H_a)`` of the
            windows, and ``ref_chosen_logps`` and ``ref_rejected_logps`` ``(P,)`` where the rows
            have them.
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

        embeds, latents = [], []
        longest = max(row["num_bars"] for row in rows) * LATENTS_PER_SEGMENT
        for row, _ in sides:
            song = self.encodings[row["song"]]
            window = slice(
                row["first_bar"] * LATENTS_PER_SEGMENT,
                (row["first_bar"] + row["num_bars"]) * LATENTS_PER_SEGMENT,
            )
            embeds += [song.sketch, song.embeds[window]]
            heard = song.latents[window]
            latents.append(torch.nn.functional.pad(heard, (0, 0, 0, longest - len(heard))))
        batch = {
            "input_ids": padded(ids, v.PAD),
            "attention_mask": padded([[1] * len(one) for one in ids], 0),
            "completion_mask": padded(masks, 0),
            "audio_embeds": torch.cat(embeds).float(),
            "audio_latents": torch.stack(latents).float(),
        }
        for name in ("ref_chosen_logps", "ref_rejected_logps"):
            if name in rows[0]:
                batch[name] = torch.tensor([row[name] for row in rows])
        return batch
