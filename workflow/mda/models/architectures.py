"""The names of the modules of each supported architecture: queries, keys, values, output, MLP, norm.

One `Architecture` a model type, and nothing about a model type anywhere else.

A head is a query head. Its blocks are its rows of W_Q and columns of W_O, and the rows of W_K
and W_V that it reads. With grouped queries (Ainslie et al. 2023, arXiv 2305.13245) several heads
read the same keys and values: the group's rows then belong to each of its heads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from mda.models.units import MLP, Attention, Head, Neuron, Unit
from mda.runtime.errors import UserError

ALL = slice(None)


class Part(NamedTuple):
    """Some rows (outputs) or some columns (inputs) of a projection's weight.

    Attributes:
        module: the projection's name in the model.
        rows, columns: of the weight as (out, in); one of the two is all.
    """

    module: str
    rows: slice = ALL
    columns: slice = ALL


@dataclass(frozen=True)
class Architecture:
    """Names of the parts of a causal language model.

    Attributes:
        layers: the list of layers, in the model.
        queries, keys, values: a layer's projections to them; the same name where they are fused.
        output: a layer's projection from the heads back to the residual stream.
        rows: (heads, heads of keys and values, head size, head) -> rows of that head's queries,
            keys and values in the outputs of their projections.
        neuron_inputs: projections to a layer's MLP neurons: two where one gates the other.
        neuron_output: projection from the neurons back to the residual stream.
        final_norm: the last norm, in the model.
        attention_norm: a layer's norm of what the heads write, where there is one.
    """

    layers: str
    queries: str
    keys: str
    values: str
    output: str
    rows: Callable[[int, int, int, int], tuple[slice, slice, slice]]
    neuron_inputs: tuple[str, ...]
    neuron_output: str
    final_norm: str
    attention_norm: str | None = None


def _of_size(size: int, *numbers: int) -> tuple[slice, ...]:
    return tuple(slice(number * size, (number + 1) * size) for number in numbers)


def _interleaved(heads: int, shared: int, size: int, head: int) -> tuple[slice, slice, slice]:
    # GPT-NeoX: the fused output is viewed as heads x [q | k | v].
    del heads, shared
    query, key, value = _of_size(size, 3 * head, 3 * head + 1, 3 * head + 2)
    return query, key, value


def _concatenated(heads: int, shared: int, size: int, head: int) -> tuple[slice, slice, slice]:
    # GPT-2: the fused output is [q of all heads | k of all | v of all].
    del shared
    query, key, value = _of_size(size, head, heads + head, 2 * heads + head)
    return query, key, value


def _separate(heads: int, shared: int, size: int, head: int) -> tuple[slice, slice, slice]:
    # Neighbouring heads form a group, which reads one head of keys and values.
    query, group = _of_size(size, head, head // (heads // shared))
    return query, group, group


_LLAMA = Architecture(
    layers="model.layers",
    queries="self_attn.q_proj",
    keys="self_attn.k_proj",
    values="self_attn.v_proj",
    output="self_attn.o_proj",
    rows=_separate,
    neuron_inputs=("mlp.gate_proj", "mlp.up_proj"),
    neuron_output="mlp.down_proj",
    final_norm="model.norm",
)

ARCHITECTURES = {
    "gpt_neox": Architecture(
        layers="gpt_neox.layers",
        queries="attention.query_key_value",
        keys="attention.query_key_value",
        values="attention.query_key_value",
        output="attention.dense",
        rows=_interleaved,
        neuron_inputs=("mlp.dense_h_to_4h",),
        neuron_output="mlp.dense_4h_to_h",
        final_norm="gpt_neox.final_layer_norm",
    ),
    "gpt2": Architecture(
        layers="transformer.h",
        queries="attn.c_attn",
        keys="attn.c_attn",
        values="attn.c_attn",
        output="attn.c_proj",
        rows=_concatenated,
        neuron_inputs=("mlp.c_fc",),
        neuron_output="mlp.c_proj",
        final_norm="transformer.ln_f",
    ),
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "olmo2": replace(_LLAMA, attention_norm="post_attention_layernorm"),
    "qwen2": _LLAMA,
    "qwen3": _LLAMA,
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
    """Number of layers, (query) heads a layer, and size of a head."""
    settings = model.config
    heads = settings.num_attention_heads
    size = getattr(settings, "head_dim", None) or settings.hidden_size // heads
    return settings.num_hidden_layers, heads, size


def shared_heads(model: PreTrainedModel) -> int:
    """Number of heads of keys and values a layer: that of heads, but for grouped queries."""
    settings = model.config
    return getattr(settings, "num_key_value_heads", None) or settings.num_attention_heads


def neurons(model: PreTrainedModel) -> int:
    """Number of MLP neurons a layer."""
    return weight(module(model, 0, of(model).neuron_output)).shape[1]


def module(model: PreTrainedModel, layer: int, name: str) -> nn.Module:
    """A part of a layer, by one of the names in `Architecture`."""
    return model.get_submodule(f"{of(model).layers}.{layer}.{name}")


def weight(projection: nn.Module) -> torch.Tensor:
    """A projection's weight as (out, in)."""
    kept = projection.get_parameter("weight")
    return kept.T if isinstance(projection, Conv1D) else kept


def blocks(model: PreTrainedModel, unit: Unit) -> dict[str, list[Part]]:
    """The blocks of weights that are a unit's own, without biases.

    A head has `qk` (queries and keys jointly, because they act only as a product), `v` and `o`,
    as in arXiv 2601.21996; a neuron has `in` (with its gate, where it has one) and `out`. A layer's whole
    attention or MLP has the same blocks, of all its heads or neurons together. The parts of a block read the
    same input.

    Raises:
        UserError: when the model has no such unit.
    """
    found = of(model)
    layers, heads, size = shape(model)
    if isinstance(unit, (Attention, MLP)):
        if unit.layer >= layers:
            raise UserError(f"{unit} does not exist; the model has layers 0 to {layers - 1}")
        if isinstance(unit, Attention):
            return _joined([blocks(model, Head(unit.layer, number)) for number in range(heads)])
        return _joined([blocks(model, Neuron(unit.layer, number)) for number in range(neurons(model))])
    kind, count = ("heads", heads) if isinstance(unit, Head) else ("neurons", neurons(model))
    if unit.layer >= layers or unit.number >= count:
        raise UserError(
            f"{unit} does not exist; the model has layers 0 to {layers - 1} with {kind} 0 to {count - 1}"
        )
    start = f"{found.layers}.{unit.layer}."
    if not isinstance(unit, Head):
        own = slice(unit.number, unit.number + 1)
        return {
            "in": [Part(start + name, rows=own) for name in found.neuron_inputs],
            "out": [Part(start + found.neuron_output, columns=own)],
        }
    query, key, value = found.rows(heads, shared_heads(model), size, unit.number)
    (columns,) = _of_size(size, unit.number)
    return {
        "qk": [Part(start + found.queries, rows=query), Part(start + found.keys, rows=key)],
        "v": [Part(start + found.values, rows=value)],
        "o": [Part(start + found.output, columns=columns)],
    }


def _joined(members: Sequence[dict[str, list[Part]]]) -> dict[str, list[Part]]:
    """The blocks of several units of a kind in one layer as blocks of one unit; shared weights count once."""
    found = {}
    for kind, first in members[0].items():
        # All queries, then all keys: one list for each part that a member has.
        lists = [[member[kind][number] for member in members] for number in range(len(first))]
        found[kind] = [part for parts in lists for part in _adjacent(parts)]
    return found


def _adjacent(parts: Sequence[Part]) -> list[Part]:
    """The same weights in as few parts as possible: equal ones are one, and so are neighbours."""
    by_columns = parts[0].columns != ALL
    owned = [part.columns if by_columns else part.rows for part in parts]
    ranges: list[slice] = []
    for begin, end in sorted({(own.start, own.stop) for own in owned}):
        if ranges and ranges[-1].stop == begin:
            ranges[-1] = slice(ranges[-1].start, end)
        else:
            ranges.append(slice(begin, end))
    module = parts[0].module
    return [Part(module, columns=own) if by_columns else Part(module, rows=own) for own in ranges]
