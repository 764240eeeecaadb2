"""Probes: differentiable measures, higher is better, of how well a unit does its job.

A probe is a function `(model, tokens, units) -> scalar` that calls the model on its tokens, as
often as it likes; units are the target's heads or neurons. A user's own is named in the
configuration as `file.py:function` and has the same signature.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mda.models.neurons import activations
from mda.models.units import Head, Neuron
from mda.runtime import fingerprints
from mda.runtime.errors import UserError

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
    spec = importlib.util.spec_from_file_location(f"probe_{Path(path).stem}", Path(path))
    if spec is None or spec.loader is None:
        raise UserError(f"probe {measure}: {path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    # As of a program that Python starts: what lies beside it can be imported.
    folder = str(Path(path).resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    # Dataclasses look their module up.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's code may raise anything
        raise _failure(measure, error) from error
    function = getattr(module, name, None)
    if not callable(function):
        raise UserError(f"probe {measure}: {path} has no function '{name}'")
    return checked(measure, function)


def checked(measure: str, function: Probe) -> Probe:
    """Wrap a user's probe so that a wrong return value is one clear sentence."""

    def probe(model: nn.Module, tokens: torch.Tensor, units: Sequence[Any]) -> torch.Tensor:
        try:
            value = function(model, tokens, units)
        except (UserError, torch.cuda.OutOfMemoryError):
            raise
        except Exception as error:  # the user's code may raise anything
            raise _failure(measure, error) from error
        if not isinstance(value, torch.Tensor) or value.ndim != 0 or not value.requires_grad:
            raise UserError(
                f"probe {measure}: must return a scalar tensor that depends on the model's "
                f"parameters, but returned {type(value).__name__}"
                + (f" of shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else "")
            )
        return value

    return probe


def _failure(measure: str, error: Exception) -> UserError:
    """What a user's code raised, at which of its own lines."""
    path = Path(measure.rsplit(":", 1)[0])
    own = path.resolve().parent
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename, own)]
    if isinstance(error, SyntaxError) and error.filename:
        place = f"{os.path.relpath(error.filename)}, line {error.lineno}"
    else:
        place = f"{os.path.relpath(frames[-1].filename)}, line {frames[-1].lineno}" if frames else str(path)
    what = " ".join(str(error).split())
    return UserError(f"probe {measure}: {place} fails with {type(error).__name__}: {what}; mend it")


def _is_users(name: str, folder: Path) -> bool:
    """Whether a source lies in the folder of a probe, and is not of a package that is installed there."""
    path = Path(name).resolve()
    inside = path.is_relative_to(folder) and "site-packages" not in path.relative_to(folder).parts
    return inside and not path.is_relative_to(fingerprints.PACKAGE)
