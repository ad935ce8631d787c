"""The model: audio tower + Llama decoder, in the shape of transformers' audio language models.

Shapes: **B** batch, **F** grid cells (12 a beat), **D** front-end features, **H_a** adapter hidden
size, **N** latents (4 a beat),
**H** decoder hidden size, **S** tokens, **K** bars of the whole song (its sketch), **V**
vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel, GenerationMixin, PreTrainedModel
from transformers.cache_utils import Cache
from transformers.modeling_outputs import (
    BaseModelOutputWithPast,
    BaseModelOutputWithPooling,
    CausalLMOutputWithPast,
)
from transformers.utils import can_return_tuple

from saberlm.adapter.configuration_saber import SaberAudioConfig, SaberConfig
from saberlm.adapter.onset_head import OnsetHead, onset_loss
from saberlm.adapter.resampler import PerceiverResampler, QFormerResampler
from saberlm.adapter.tower import HearingParts, SaberProjector, TowerParts


@dataclass
class SaberModelOutputWithPast(BaseModelOutputWithPast):
    """Decoder states, and the tower's onset logits ``(B, T, 2)`` where audio went in."""

    onset_logits: Tensor | None = None


class SaberPreTrainedModel(PreTrainedModel):
    """Initialisation and flags shared by the tower and the whole."""

    config: SaberConfig
    config_class = SaberConfig
    base_model_prefix = "model"
    input_modalities = ("audio", "text")
    supports_gradient_checkpointing = True
    _no_split_modules = ["ConformerBlock", "LlamaDecoderLayer"]  # noqa: RUF012 - transformers' own shape
    _skip_keys_device_placement = "past_key_values"
    _supports_flash_attn = True
    _supports_sdpa = True

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, PerceiverResampler | QFormerResampler):
            nn.init.normal_(module.query, std=0.02)
            if isinstance(module, QFormerResampler):
                nn.init.normal_(module.frame_place, std=0.02)
        if isinstance(module, OnsetHead):
            nn.init.constant_(module.out.bias, -3.0)  # most ticks are silent
        for name in ("distance_bias", "place_bias"):
            if hasattr(module, name):
                nn.init.zeros_(getattr(module, name))
        if isinstance(module, SaberProjector) and module.tick is not None:
            nn.init.zeros_(module.tick.weight)  # a model that had no such road starts unchanged
        if isinstance(module, SaberAudioTower):
            module.feature_mean.zero_()
            module.feature_std.fill_(1.0)


class SaberAudioTower(TowerParts, SaberPreTrainedModel):
    """Grid frames to latents, and latents to onset logits."""

    config: SaberAudioConfig
    config_class = SaberAudioConfig
    main_input_name = "audio_features"

    def __init__(self, config: SaberAudioConfig) -> None:
        super().__init__(config)
        self.add_parts(config)
        self.post_init()


class SaberModel(HearingParts, SaberPreTrainedModel):
    """Tower, projector and decoder without its head."""

    def __init__(self, config: SaberConfig) -> None:
        super().__init__(config)
        self.audio_tower = SaberAudioTower(config.audio_config)
        self.projector = SaberProjector(config)
        self.language_model = AutoModel.from_config(config.text_config)
        self.onset_loss: Tensor | None = (
            None  # of the last forward with targets; the trainer adds it
        )
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The decoder's token embedding."""
        return self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the decoder's token embedding."""
        self.language_model.set_input_embeddings(value)

    @can_return_tuple
    def get_audio_features(self, *args: Any, **kwargs: Any) -> BaseModelOutputWithPooling:
        """What `embed_audio` takes, in transformers' shape: ``last_hidden_state`` the latents,
        ``pooler_output`` the embeddings."""
        latents, embeds = self.embed_audio(*args, **kwargs)
        return BaseModelOutputWithPooling(last_hidden_state=latents, pooler_output=embeds)

    def get_placeholder_mask(self, input_ids: Tensor, embeds: Tensor, audio: Tensor) -> Tensor:
        """Where audio goes, ``(B, S, 1)``; the count is checked, which `masked_scatter` does not
        do.

        Raises:
            ValueError: placeholders and embeddings differ in number.
        """
        mask = (input_ids == self.config.audio_token_id) | (
            input_ids == self.config.sketch_token_id
        )
        wanted, given = int(mask.sum()), audio.shape[0]
        if wanted != given:
            raise ValueError(
                f"the prompt has {wanted} audio placeholders but the audio gave {given} embeddings;"
                " did the number of bars or of latents a bar change since tokenising?"
            )
        return mask[..., None].expand_as(embeds)

    def tick_embeds(self, input_ids: Tensor, latents: Tensor) -> Tensor:
        """What is added to each token's embedding: the sound of the tick it is said at.

        Args:
            input_ids: ``(B, S)``; bars are counted from the first ``<seg>``.
            latents: ``(B, N, H_a)`` from that bar on.

        Returns:
            ``(B, S, H)``, zeros for tokens that belong to no tick or to one whose latent is all
            zeros (its sound is not at hand).
        """
        c = self.config
        place = torch.arange(input_ids.shape[1], device=input_ids.device)[None]
        per_bar = c.audio_config.latents_per_bar
        is_segment = input_ids == c.segment_token_id
        last = c.position_token_id + per_bar * c.ticks_per_latent
        is_position = (input_ids >= c.position_token_id) & (input_ids < last)
        newest = torch.where(is_position, place, -1).cummax(1).values
        opened = torch.where(is_segment, place, -1).cummax(1).values
        said = (newest > opened) & (opened >= 0) & (input_ids != c.end_segment_token_id)
        tick = input_ids.gather(1, newest.clamp(min=0)) - c.position_token_id
        bar = is_segment.cumsum(1) - 1
        index = (bar * per_bar + tick // c.ticks_per_latent).clamp(0, latents.shape[1] - 1)
        heard = latents.gather(1, index[..., None].expand(-1, -1, latents.shape[2]))
        said &= heard.ne(0).any(-1)
        return self.projector.at_ticks(heard) * said[..., None]

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        audio_features: Tensor | None = None,
        audio_num_bars: Tensor | None = None,
        audio_first_bar: Tensor | None = None,
        sketch_features: Tensor | None = None,
        sketch_num_bars: Tensor | None = None,
        audio_margin_bars: int = 0,
        audio_embeds: Tensor | None = None,
        audio_latents: Tensor | None = None,
        onset_conditions: Tensor | None = None,
        onset_targets: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        **kwargs: Any,
    ) -> SaberModelOutputWithPast:
        """Run the decoder over tokens with audio put in at the placeholders.

        Give either ``audio_features`` with its companions (see `get_audio_features`) or
        ``audio_embeds`` ``(n, H)`` made before, with ``audio_latents`` ``(B, N, H_a)`` where the
        model has the road to ticks; neither on later steps of a cached generation (the road to
        ticks is then `saberlm.infer.engine`'s to walk). A model without places for the sound in its
        sequence (``audio_places``) takes ``audio_latents`` alone. With ``onset_targets`` the onset
        loss is kept in `onset_loss`.
        """
        if inputs_embeds is None:
            inputs_embeds = self.get_input_embeddings()(input_ids)
        onset_logits = None
        if audio_features is not None:
            if audio_embeds is not None or audio_num_bars is None:
                raise ValueError("give audio_features with its companions, or audio_embeds alone")
            out = self.get_audio_features(
                audio_features,
                audio_num_bars,
                sketch_features,
                sketch_num_bars,
                audio_first_bar,
                audio_margin_bars,
                return_dict=True,
            )
            audio_embeds, audio_latents = out.pooler_output, out.last_hidden_state
            if onset_conditions is not None:
                latents = out.last_hidden_state
                place = torch.arange(latents.shape[1], device=latents.device)[None]
                latent_mask = (
                    place < audio_num_bars[:, None] * self.config.audio_config.latents_per_bar
                )
                onset_logits = self.audio_tower.onsets(latents, latent_mask, onset_conditions)
                if onset_targets is not None:
                    self.onset_loss = onset_loss(onset_logits, onset_targets)
        if audio_embeds is not None or audio_latents is not None:
            if input_ids is None:
                raise ValueError("audio needs input_ids: they say where it goes")
            if self.projector.tick is not None:
                if audio_latents is None:
                    raise ValueError(
                        "expected audio_latents (B, N, H_a) beside audio_embeds, found none: this"
                        " model hears at every tick"
                    )
                joined = self.tick_embeds(input_ids, audio_latents)
                inputs_embeds = inputs_embeds + joined.to(inputs_embeds.dtype)
        if audio_embeds is not None:
            mask = self.get_placeholder_mask(input_ids, inputs_embeds, audio_embeds)
            inputs_embeds = inputs_embeds.masked_scatter(mask, audio_embeds.to(inputs_embeds.dtype))
        # a frozen half-precision base keeps its residual stream so under float32 embeddings
        inputs_embeds = inputs_embeds.to(self.language_model.norm.weight.dtype)
        out = self.language_model(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            use_cache=use_cache,
            **kwargs,
        )
        return SaberModelOutputWithPast(
            last_hidden_state=out.last_hidden_state,
            past_key_values=out.past_key_values,
            hidden_states=out.hidden_states,
            attentions=out.attentions,
            onset_logits=onset_logits,
        )


class SaberForConditionalGeneration(SaberPreTrainedModel, GenerationMixin):
    """`SaberModel` with the language head."""

    _tied_weights_keys = {"lm_head.weight": "model.language_model.embed_tokens.weight"}  # noqa: RUF012

    def __init__(self, config: SaberConfig) -> None:
        super().__init__(config)
        self.model = SaberModel(config)
        text = config.text_config
        self.lm_head = nn.Linear(text.hidden_size, text.vocab_size, bias=False)
        self.post_init()

    def get_audio_features(self, *args: Any, **kwargs: Any) -> Any:
        """See `SaberModel.get_audio_features`."""
        return self.model.get_audio_features(*args, **kwargs)

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        audio_features: Tensor | None = None,
        audio_num_bars: Tensor | None = None,
        audio_first_bar: Tensor | None = None,
        sketch_features: Tensor | None = None,
        sketch_num_bars: Tensor | None = None,
        audio_margin_bars: int = 0,
        audio_embeds: Tensor | None = None,
        audio_latents: Tensor | None = None,
        onset_conditions: Tensor | None = None,
        onset_targets: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """Logits ``(B, S, V)`` and, with ``labels``, the next-token loss; see `SaberModel.forward`
        for the audio."""
        out = self.model(
            input_ids=input_ids,
            audio_features=audio_features,
            audio_num_bars=audio_num_bars,
            audio_first_bar=audio_first_bar,
            sketch_features=sketch_features,
            sketch_num_bars=sketch_num_bars,
            audio_margin_bars=audio_margin_bars,
            audio_embeds=audio_embeds,
            audio_latents=audio_latents,
            onset_conditions=onset_conditions,
            onset_targets=onset_targets,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            **kwargs,
        )
        keep = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        keep = slice(None) if isinstance(logits_to_keep, int) and logits_to_keep == 0 else keep
        logits = self.lm_head(out.last_hidden_state[:, keep])
        loss = None
        if labels is not None:
            loss = self.loss_function(
                logits=logits, labels=labels, vocab_size=self.config.text_config.vocab_size
            )
        return CausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            past_key_values=out.past_key_values,
            hidden_states=out.hidden_states,
            attentions=out.attentions,
        )

    def prepare_inputs_for_generation(
        self, input_ids: Tensor, *args: Any, is_first_iteration: bool = False, **kwargs: Any
    ) -> dict[str, Any]:
        """Audio goes in on the first step alone: later steps find it in the cache."""
        names = (
            "audio_features",
            "audio_num_bars",
            "audio_first_bar",
            "sketch_features",
            "sketch_num_bars",
            "audio_embeds",
            "audio_latents",
            "onset_conditions",
        )
        audio = {name: kwargs.pop(name, None) for name in names}
        inputs = super().prepare_inputs_for_generation(
            input_ids, *args, is_first_iteration=is_first_iteration, **kwargs
        )
        if is_first_iteration or not kwargs.get("use_cache", True):
            inputs.update(audio)
        return inputs
