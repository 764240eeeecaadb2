"""Gradients of single samples in the blocks of units, from what their taps see; see `mda.surgery`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from mda import model as models
from mda.parallel import device
from mda.tokens import TokenStore

# Tap's name -> its inputs and the gradients of its outputs, each (samples, tokens, features).
Seen = dict[str, tuple[torch.Tensor, torch.Tensor]]
Labels = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@contextmanager
def seen(model: nn.Module, names: Sequence[str]) -> Iterator[Seen]:
    """Within, a backward pass fills the dictionary, anew each time."""
    found: Seen = {}
    handles = [model.get_submodule(name).register_forward_hook(_keeper(found, name)) for name in names]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _keeper(found: Seen, name: str) -> Callable[..., None]:
    def keep(module: nn.Module, given: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        del module
        inputs = given[0].detach().float()

        def store(gradient: torch.Tensor) -> None:
            found[name] = (inputs, gradient.float())

        output.register_hook(store)

    return keep


def of_losses(
    model: nn.Module,
    names: Sequence[str],
    store: TokenStore,
    rows: np.ndarray,
    batch_size: int,
    labels: Labels | None = None,
) -> Iterator[Seen]:
    """What the taps see when each row's summed cross-entropy is differentiated, a batch at a time.

    Args:
        labels: (logits, row numbers) -> labels, in place of the next tokens.
    """
    for start in range(0, len(rows), batch_size):
        part = rows[start : start + batch_size]
        tokens = torch.from_numpy(store.take(part)).to(device())
        with seen(model, names) as found:
            logits = model(tokens[:, :-1], use_cache=False).logits.float()
            wanted = tokens[:, 1:] if labels is None else labels(logits, torch.from_numpy(part))
            models.cross_entropies(logits, wanted).sum().backward()
            model.zero_grad(set_to_none=True)
            yield found


def gradients(inputs: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
    """Each sample's gradient of the block's weights, flat: shape (samples, out x in)."""
    return torch.einsum("bto,bti->boi", outputs, inputs).flatten(1)


def squared_norms(inputs: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
    """Squared norms of the same, shape (samples,).

    A gradient is the sum over tokens of g x^T, so its square is that of (x . x')(g . g') over pairs of
    tokens, and no gradient is formed.
    """
    pairs = (inputs @ inputs.transpose(1, 2)) * (outputs @ outputs.transpose(1, 2))
    return pairs.sum(dim=(1, 2)).clamp_min(0)
