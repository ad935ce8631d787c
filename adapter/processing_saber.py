"""The processor: songs to grid features; and a tokenizer over the model's ids for the libraries
that insist on one.

This room knows ids, not their meaning: the tokenizer spells id 12 as ``<12>``. `saberlm.prompts`
says what they mean.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BatchFeature, PreTrainedTokenizerFast, ProcessorMixin
from transformers.feature_extraction_utils import FeatureExtractionMixin

from saberlm.adapter.frontend import FrontEnd, make_frontend
from saberlm.adapter.song_features import song_features


class SaberFeatureExtractor(FeatureExtractionMixin):
    """Mono audio to grid features of every bar.

    Args:
        frontend: ``logmel`` or ``dac``.
        frontend_path: codec of ``dac``, see `make_frontend`.
    """

    model_input_names = ["audio_features", "sketch_features"]  # noqa: RUF012 - transformers' own shape

    def __init__(
        self, frontend: str = "logmel", frontend_path: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.frontend = frontend
        self.frontend_path = frontend_path

    def __call__(
        self,
        samples: np.ndarray,
        *,
        bpm: float | None = None,
        offset_seconds: float = 0.0,
        seconds_of: Callable[[np.ndarray], np.ndarray] | None = None,
        margin_bars: int = 0,
        front: FrontEnd | None = None,
        return_tensors: str = "pt",
    ) -> BatchFeature:
        """Features of a whole song.

        Args:
            samples: mono, at the front end's rate, ``(T,)``.
            bpm: tempo of a steady grid.
            offset_seconds: time of its beat 0, the first bar's start.
            seconds_of: a grid of any tempo, instead of the two: beats from the first bar's start,
                rising and below 0 too, to seconds.
            margin_bars: bars of context to add either side.
            front: a front end made before (a DacModel is slow to load).
            return_tensors: only ``pt``.

        Returns:
            ``audio_features`` ``(1, F, D)`` from ``margin_bars`` before bar 0, ``sketch_features``
            ``(1, K, D)``,
            ``audio_num_bars`` ``(1,)`` (K).

        Raises:
            ValueError: neither or both of ``bpm`` and ``seconds_of``.
        """
        if return_tensors != "pt":
            raise ValueError(f"return_tensors must be 'pt', found {return_tensors!r}")
        front = front or make_frontend(self.frontend, self.frontend_path)
        made = song_features(
            samples,
            front,
            bpm=bpm,
            offset_seconds=offset_seconds,
            seconds_of=seconds_of,
            margin_bars=margin_bars,
        )
        return BatchFeature(
            {
                "audio_features": made.audio[None],
                "sketch_features": made.sketch[None],
                "audio_num_bars": torch.tensor([made.num_bars]),
            }
        )


def make_tokenizer(
    vocab_size: int = 1677, pad_token_id: int = 0, eos_token_id: int = 3
) -> PreTrainedTokenizerFast:
    """A tokenizer that spells id i as ``<i>``, for trainers and savers that want one."""
    vocab = {f"<{i}>": i for i in range(vocab_size)}
    backend = Tokenizer(models.WordLevel(vocab, unk_token="<1>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=f"<{pad_token_id}>",
        eos_token=f"<{eos_token_id}>",
        unk_token="<1>",
    )


class SaberProcessor(ProcessorMixin):
    """Feature extractor and tokenizer under one roof, saved and loaded with the model."""

    attributes = ["feature_extractor", "tokenizer"]  # noqa: RUF012 - transformers' own shape
    feature_extractor_class = "SaberFeatureExtractor"
    tokenizer_class = "PreTrainedTokenizerFast"

    def __init__(self, feature_extractor: Any = None, tokenizer: Any = None, **kwargs: Any) -> None:
        super().__init__(
            feature_extractor or SaberFeatureExtractor(), tokenizer or make_tokenizer()
        )
