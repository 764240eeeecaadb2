"""Layers compiled by `torch.compile`, and when this pays."""

from __future__ import annotations

import copy
from collections.abc import Collection

from transformers import PreTrainedModel

from mda.models import architectures

# Of `torch.compile`.
BACKEND = "inductor"


def compile_layers(network: PreTrainedModel, but: Collection[int] = ()) -> None:
    """Compile the layers, which share one code: the model as a whole would take so many times as long.

    Args:
        but: those that are left as they are, such as layers with hooks.
    """
    for number, layer in enumerate(network.get_submodule(architectures.of(network).layers).children()):
        if number not in but:
            layer.compile(backend=BACKEND, dynamic=False)


def undo(network: PreTrainedModel) -> None:
    """Run the layers as they are written again."""
    for layer in network.get_submodule(architectures.of(network).layers).children():
        layer._compiled_call_impl = None


def sharing_weights(network: PreTrainedModel) -> PreTrainedModel:
    """Another model with the very same parameters, to evaluate with.

    Hooks, modes and implementations of attention set on it do not touch the code compiled for training.
    """
    shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    return copy.deepcopy(network, shared)


def products(network: PreTrainedModel, tokens: int) -> float:
    """Floating-point operations of one forward pass over so many tokens, without attention's own products.

    Two a weight and token (Kaplan et al. 2020, arXiv 2001.08361, section 2.1).
    """
    embedded = network.get_input_embeddings().weight
    output = network.get_output_embeddings().weight
    looked_up = 0 if output is embedded else embedded.numel()
    return 2.0 * (sum(parameter.numel() for parameter in network.parameters()) - looked_up) * tokens
