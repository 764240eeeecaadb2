"""Activations of MLP neurons on given tokens."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel

from mda.models import architectures
from mda.models import model as models
from mda.models.units import Neuron


def activations(model: PreTrainedModel, tokens: torch.Tensor, neurons: Sequence[Neuron]) -> torch.Tensor:
    """What neurons put out: after the nonlinearity and, where there is one, the gate.

    Args:
        tokens: shape (sequences, length).

    Returns:
        Shape (sequences, length, neurons); differentiable, from one call of the model.

    Raises:
        UserError: when the model has no such neuron.
    """
    for neuron in neurons:
        architectures.blocks(model, neuron)
    layers = sorted({neuron.layer for neuron in neurons})
    name = architectures.of(model).neuron_output
    with models.inputs_of([architectures.module(model, layer, name) for layer in layers]) as kept:
        model(tokens, use_cache=False)
    values = dict(zip(layers, kept, strict=True))
    return torch.stack([values[neuron.layer][..., neuron.number] for neuron in neurons], dim=-1)
