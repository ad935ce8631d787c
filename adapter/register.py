"""Registers the classes with transformers' Auto classes; importing this (or loading a model) is
enough.

Apart from the package's ``__init__`` so that ``saberlm --help`` imports no torch.
"""

from __future__ import annotations

from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModel,
    AutoModelForMultimodalLM,
    AutoProcessor,
)

from saberlm.adapter.configuration_saber import SaberAudioConfig, SaberConfig
from saberlm.adapter.modeling_saber import (
    SaberAudioTower,
    SaberForConditionalGeneration,
    SaberModel,
)
from saberlm.adapter.processing_saber import SaberFeatureExtractor, SaberProcessor

AutoConfig.register("saberlm_audio", SaberAudioConfig, exist_ok=True)
AutoConfig.register("saberlm", SaberConfig, exist_ok=True)
AutoModel.register(SaberAudioConfig, SaberAudioTower, exist_ok=True)
AutoModel.register(SaberConfig, SaberModel, exist_ok=True)
AutoModelForMultimodalLM.register(SaberConfig, SaberForConditionalGeneration, exist_ok=True)
AutoProcessor.register(SaberConfig, SaberProcessor, exist_ok=True)
AutoFeatureExtractor.register(SaberConfig, SaberFeatureExtractor, exist_ok=True)

__all__ = ["AutoModelForMultimodalLM"]
