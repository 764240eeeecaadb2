"""Where each supported architecture keeps what this project needs of it.

One `Architecture` a model type, and nothing about a model type anywhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from mda.errors import UserError


@dataclass(frozen=True)
class Architecture:
    """How to reach the parts of a causal language model.

    Attributes:
        layers: the model's layers, in order.
        attention: a layer's attention module.
        projection: name in the attention module of the projection to queries, keys, values.
        output: name in the attention module of the projection back to the residual stream.
        rows: (heads, head size, head) -> row numbers in the projection's output of that
            head's queries, keys and values.
        final_norm, unembedding: the last norm and the map to logits.
    """

    layers: Callable[[PreTrainedModel], nn.ModuleList]
    attention: Callable[[Any], nn.Module]
    projection: str
    output: str
    rows: Callable[[int, int, int], tuple[torch.Tensor, torch.Tensor, torch.Tensor]]
    final_norm: Callable[[PreTrainedModel], nn.Module]
    unembedding: Callable[[PreTrainedModel], nn.Module]


def _neox_rows(heads: int, size: int, head: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    # GPT-NeoX interleaves: the fused output is viewed as heads x [q | k | v].
    del heads
    start = head * 3 * size
    query = torch.arange(start, start + size)
    return query, query + size, query + 2 * size


ARCHITECTURES = {
    "gpt_neox": Architecture(
        layers=lambda model: model.gpt_neox.layers,
        attention=lambda layer: layer.attention,
        projection="query_key_value",
        output="dense",
        rows=_neox_rows,
        final_norm=lambda model: model.gpt_neox.final_layer_norm,
        unembedding=lambda model: model.get_output_embeddings(),
    ),
}


def of(model: PreTrainedModel) -> Architecture:
    """The architecture of a model.

    Raises:
        UserError: when it is not supported.
    """
    kind = model.config.model_type
    if kind not in ARCHITECTURES:
        raise UserError(
            f"model: architecture '{kind}' is not supported; choose one of {', '.join(ARCHITECTURES)}"
        )
    return ARCHITECTURES[kind]


def shape(model: PreTrainedModel) -> tuple[int, int, int]:
    """Number of layers, heads a layer, and size of a head."""
    settings = model.config
    heads = settings.num_attention_heads
    return settings.num_hidden_layers, heads, settings.hidden_size // heads
