"""vLLM's side of the engine: the decoder as a model of vLLM's, its loader, and the logits processor
that lets each row say its next token.

Written for vLLM 0.32's first model runner and its logits processors (`update_state`, `apply`). The
sound of a tick joins the tokens said at it, which vLLM knows nothing of; so a token's embedding
comes from its row and not from the table. That is safe while every request is a prompt of
embeddings, takes its prompt in one step and is never put out of the cache: see
`saberlm.infer.vllm_engine`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from vllm.model_executor.model_loader import BaseModelLoader, register_model_loader
from vllm.model_executor.models.llama import LlamaForCausalLM
from vllm.v1.sample.logits_processor import LogitsProcessor
from vllm.v1.sample.logits_processor.builtin import process_dict_updates

from saberlm.infer.row_sampler import LIVE
from saberlm.infer.vllm_plugin import DESKS, LOAD_FORMAT, ROW_ARGUMENT, Feed


class SaberLlama(LlamaForCausalLM):
    """A plain Llama that is fed what the rows at its desk give it."""

    def __init__(self, *, vllm_config: Any, prefix: str = "", **kwargs: Any) -> None:
        super().__init__(vllm_config=vllm_config, prefix=prefix, **kwargs)
        self._folder = vllm_config.model_config.model

    def embed_input_ids(self, input_ids: Tensor) -> Tensor:
        """Embeddings ``(n, H)`` of the tokens that the batch's rows said last, one a row."""
        batch = DESKS[self._folder].batch
        given = [batch[place].embedding for place in sorted(batch)]
        said = [one for one in given if one is not None]
        if len(said) != len(input_ids):
            raise RuntimeError(
                f"vLLM wants {len(input_ids)} tokens embedded of {len(said)} rows: it let a row out"
                " of its cache and begins it anew, which rows cannot follow"
            )
        weight = self.model.embed_tokens.weight
        return torch.from_numpy(np.stack(said)).to(weight.device, weight.dtype)


@register_model_loader(LOAD_FORMAT)
class DeskLoader(BaseModelLoader):
    """Takes weights from the desk: they are merged in memory and on no disk."""

    def download_model(self, model_config: Any) -> None:
        """Nothing is downloaded."""

    def load_weights(self, model: Any, model_config: Any) -> None:
        """Copy the weights into vLLM's model."""
        model.load_weights(DESKS[model_config.model].weights())


class RowLogits(LogitsProcessor):
    """Each row draws its token by its own rules; the logits then leave no other."""

    def __init__(self, vllm_config: Any, device: torch.device, is_pin_memory: bool) -> None:
        self._desk = DESKS[vllm_config.model_config.model]

    def is_argmax_invariant(self) -> bool:
        """The likeliest token is another one after it."""
        return False

    def update_state(self, batch_update: Any) -> None:
        """Follow the rows through vLLM's batch."""

        def feed_of(params: Any, _prompt: object, said: list[int]) -> Feed:
            name = params.extra_args[ROW_ARGUMENT]
            if said:
                raise RuntimeError(f"vLLM took row {name} up again, which rows cannot follow")
            return self._desk.feeds[name]

        process_dict_updates(self._desk.batch, batch_update, feed_of)

    def apply(self, logits: Tensor) -> Tensor:
        """``(B, V)``, in place."""
        heard = logits[:, :LIVE].float().cpu().numpy().copy()
        batch = self._desk.batch
        said = [batch[place].answer(heard[place]) for place in range(len(heard))]
        logits.fill_(-torch.inf)
        logits.scatter_(1, torch.tensor(said, device=logits.device)[:, None], 0.0)
        return logits
