"""Probes: differentiable measures, higher is better, of how well a unit does its job.

A probe is a function `(model, tokens, units) -> scalar` that calls the model on its tokens, as
often as it likes; units are the target's heads, neurons, attentions or MLPs. A user's own is named in the
configuration as `file.py:function` and has the same signature, and where it names it a fourth parameter
`tokenizer`, the run's. Those that ask in text are in `mda.attribution.text_probes`.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from mda.models.neurons import activations
from mda.models.units import Attention, Head, Neuron
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


def previous_token(model: nn.Module, tokens: torch.Tensor, heads: Sequence[Head | Attention]) -> torch.Tensor:
    """Summed attention of the heads, or of all heads of a whole attention, from t to t - 1.

    Only the heads' QK blocks can have a gradient of their own (arXiv 2601.21996).

    Args:
        tokens: shape (sequences, length).

    Returns:
        A scalar.
    """
    attentions = model(tokens, output_attentions=True, use_cache=False).attentions
    patterns = [
        pattern.float()
        for unit in heads
        for number, pattern in enumerate(attentions[unit.layer].unbind(dim=1))
        if isinstance(unit, Attention) or number == unit.number
    ]
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


def load(measure: str, tokenizer: Any = None) -> Probe:
    """The probe of a name, or of `file.py:function`.

    Args:
        tokenizer: the run's, for a function that has a parameter of this name.

    Raises:
        UserError: when the file cannot be run or has no such function.
    """
    if measure in BUILT_IN:
        return BUILT_IN[measure]
    path, name = measure.rsplit(":", 1)
    function = getattr(_module(measure), name, None)
    if not callable(function):
        raise UserError(f"probe {measure}: {path} has no function '{name}'")
    return checked(measure, _with_tokenizer(function, tokenizer))


def metric(measure: str, tokenizer: Any) -> Probe | None:
    """What watches runs of a user's probe: the function `metric` of its file, or else the probe.

    None of built-in measures. It is called as a probe is, but without gradients.
    """
    if ":" not in measure:
        return None
    module = _module(measure)
    function = getattr(module, "metric", None) or getattr(module, measure.rsplit(":", 1)[1])
    asked = _with_tokenizer(function, tokenizer)

    def value(model: nn.Module, tokens: torch.Tensor, units: Sequence[Any]) -> torch.Tensor:
        with _told(measure):
            return asked(model, tokens, units)

    return value


def wants_tokenizer(measure: str) -> bool:
    """Whether a user's function has a parameter `tokenizer`."""
    function = getattr(_module(measure), measure.rsplit(":", 1)[1], None)
    return callable(function) and "tokenizer" in inspect.signature(function).parameters


def _with_tokenizer(function: Callable[..., Any], tokenizer: Any) -> Callable[..., Any]:
    if "tokenizer" not in inspect.signature(function).parameters:
        return function
    return functools.partial(function, tokenizer=tokenizer)


def _module(measure: str) -> ModuleType:
    """A user's file, run."""
    path = measure.rsplit(":", 1)[0]
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
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise _failure(measure, error) from error
    return module


def checked(measure: str, function: Probe) -> Probe:
    """Wrap a user's probe so that a wrong return value is one clear sentence."""

    def probe(model: nn.Module, tokens: torch.Tensor, units: Sequence[Any]) -> torch.Tensor:
        with _told(measure):
            value = function(model, tokens, units)
        tensor = isinstance(value, torch.Tensor)
        if not tensor or value.ndim != 0 or not value.requires_grad or value.is_complex():
            what = f" of shape {tuple(value.shape)} and {value.dtype}" if tensor else ""
            raise UserError(
                f"probe {measure}: must return a scalar tensor that depends on the model's "
                f"parameters, but returned {type(value).__name__}{what}"
            )
        return value

    return probe


@contextmanager
def _told(measure: str) -> Iterator[None]:
    """Within, what a user's code raises is one sentence with its own line."""
    try:
        yield
    except (UserError, torch.cuda.OutOfMemoryError):
        raise
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise _failure(measure, error) from error


def _failure(measure: str, error: BaseException) -> UserError:
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
