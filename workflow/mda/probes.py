"""Probes: differentiable measures, higher is better, of how well a unit does its job.

A probe is a function `(model, tokens, units) -> scalar` that calls the model on its tokens, as
often as it likes; units are the target's heads or neurons. A user's own is named in the
configuration as `file.py:function` and has the same signature.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mda.errors import UserError
from mda.neurons import activations
from mda.units import Head, Neuron

Probe = Callable[[nn.Module, torch.Tensor, Sequence[Any]], torch.Tensor]


def induction(model: nn.Module, tokens: torch.Tensor, heads: Sequence[Head]) -> torch.Tensor:
    """Summed log-probability of the token that followed the previous occurrence.

    Position t >= T of a sequence of T tokens shown twice predicts token t + 1, which is token
    t + 1 - T (arXiv 2601.21996, the copy probe). A perfect induction model has about 0.

    Args:
        tokens: shape (sequences, 2T).
        heads: not used; the probe reads the model's output.

    Returns:
        A scalar in nats.
    """
    del heads
    length = tokens.shape[1] // 2
    logits = model(tokens, use_cache=False).logits[:, length:-1].float()
    return logits.log_softmax(dim=-1).gather(-1, tokens[:, length + 1 :, None]).sum()


def previous_token(model: nn.Module, tokens: torch.Tensor, heads: Sequence[Head]) -> torch.Tensor:
    """Summed attention of the heads from t to t - 1.

    Only the heads' QK blocks can have a gradient of their own (arXiv 2601.21996).

    Args:
        tokens: shape (sequences, length).

    Returns:
        A scalar.
    """
    attentions = model(tokens, output_attentions=True, use_cache=False).attentions
    patterns = [attentions[head.layer][:, head.number].float() for head in heads]
    return torch.stack([pattern.diagonal(offset=-1, dim1=-2, dim2=-1).sum() for pattern in patterns]).sum()


def activation(model: nn.Module, tokens: torch.Tensor, neurons: Sequence[Neuron]) -> torch.Tensor:
    """Summed activation of the neurons in the second half of the sequences, minus the first.

    Only the neurons' `in` blocks, and `out` blocks of neurons of earlier layers, can have a
    gradient of their own.

    Args:
        tokens: shape (sequences, 2T): T random tokens, then the same again.

    Returns:
        A scalar, in units of the activation.
    """
    length = tokens.shape[1] // 2
    found = activations(model, tokens, neurons).float()
    return found[:, length:].sum() - found[:, :length].sum()


BUILT_IN: dict[str, Probe] = {
    "induction": induction,
    "previous_token": previous_token,
    "activation": activation,
}


def load(measure: str) -> Probe:
    """The probe of a name, or of `file.py:function`.

    Raises:
        UserError: when the file cannot be run or has no such function.
    """
    if measure in BUILT_IN:
        return BUILT_IN[measure]
    path, name = measure.rsplit(":", 1)
    spec = importlib.util.spec_from_file_location("user_probe", Path(path))
    if spec is None or spec.loader is None:
        raise UserError(f"probe {measure}: {path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's code may raise anything
        raise UserError(f"probe {measure}: {path} fails with {type(error).__name__}: {error}") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise UserError(f"probe {measure}: {path} has no function '{name}'")
    return checked(measure, function)


def checked(measure: str, function: Probe) -> Probe:
    """Wrap a user's probe so that a wrong return value is one clear sentence."""

    def probe(model: nn.Module, tokens: torch.Tensor, units: Sequence[Any]) -> torch.Tensor:
        value = function(model, tokens, units)
        if not isinstance(value, torch.Tensor) or value.ndim != 0 or not value.requires_grad:
            raise UserError(
                f"probe {measure}: must return a scalar tensor that depends on the model's "
                f"parameters, but returned {type(value).__name__}"
                + (f" of shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else "")
            )
        return value

    return probe
