"""Influence with the exact damped Gauss-Newton matrix of each block, for models small enough.

What EK-FAC approximates: the Fisher information of the block's weights, E[grad grad^T] over samples and
over labels drawn from the model, which for cross-entropy is the Gauss-Newton matrix (Martens 2020,
arXiv 1412.1193, section 9). The expectation over samples is over all fitted ones; that over labels is a
mean of draws, whose error is measured by doing the same with each half of the draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import nn

from mda import surgery, tap_gradients
from mda.influence import Query, sampled_labels
from mda.progress import Progress
from mda.tokens import TokenStore

# The first seed of the draws: none of them has the labels that approximations are fitted on, whose seeds are
# small.
SEEDS = 2**32


def matrices(
    model: nn.Module,
    names: Sequence[str],
    store: TokenStore,
    rows: np.ndarray,
    draws: int,
    seed: int,
    batch: int,
) -> list[dict[str, torch.Tensor]]:
    """The matrices of the blocks, one set from the even draws and one from the odd.

    Returns:
        Two times tap's name -> shape (weights, weights), float32, the mean over samples and draws.
    """
    halves: list[dict[str, torch.Tensor]] = [{}, {}]
    progress = Progress("Gauss-Newton: fitted", draws * len(rows))
    for draw in range(draws):
        half = halves[draw % 2]
        share = 1 / (len(rows) * len(range(draw % 2, draws, 2)))
        for seen in tap_gradients.of_losses(
            model, names, store, rows, batch, _drawn(SEEDS + seed * draws + draw)
        ):
            for name, pair in seen.items():
                gradients = tap_gradients.gradients(*pair)
                if name not in half:
                    half[name] = gradients.new_zeros(gradients.shape[1], gradients.shape[1])
                half[name].addmm_(gradients.T, gradients, alpha=share)
            progress.advance(len(gradients))
    return halves


def _drawn(seed: int) -> tap_gradients.Labels:
    """Labels from the model's predictions, by a seed that no other draw has."""
    return lambda logits, numbers: sampled_labels(logits, numbers, seed)


def probe_gradients(model: nn.Module, names: Sequence[str], query: Query) -> dict[str, torch.Tensor]:
    """The gradient of the probe in each block, flat."""
    with surgery.grouped(model, len(query.tokens)), tap_gradients.seen(model, names) as seen:
        query.probe(model, query.tokens, query.units).backward()
        model.zero_grad(set_to_none=True)
        return {name: tap_gradients.gradients(*pair)[0] for name, pair in seen.items()}


def directions(
    matrix: dict[str, torch.Tensor], probe: dict[str, torch.Tensor], damping: float
) -> dict[str, torch.Tensor]:
    """(H + damping x mean eigenvalue)^-1 grad f of each block, in float64."""
    found = {}
    for name, gradient in probe.items():
        block = matrix[name].double()
        block.diagonal().add_(damping * block.trace() / len(block))
        found[name] = torch.linalg.solve(block, gradient.double())
    return found


def influences(
    model: nn.Module,
    names: Sequence[str],
    store: TokenStore,
    rows: np.ndarray,
    sets: Sequence[dict[str, torch.Tensor]],
    batch: int,
) -> list[dict[str, np.ndarray]]:
    """Influence of each row by each set of directions: tap's name -> shape (rows,), float64."""
    found: list[dict[str, list[torch.Tensor]]] = [{name: [] for name in names} for _ in sets]
    for seen in tap_gradients.of_losses(model, names, store, rows, batch):
        for name, pair in seen.items():
            gradients = tap_gradients.gradients(*pair).double()
            for parts, directions in zip(found, sets, strict=True):
                # A probe that does not reach a block has no gradient there.
                if name in directions:
                    parts[name].append(-gradients @ directions[name])
    return [
        {name: torch.cat(values).cpu().numpy() for name, values in parts.items() if values} for parts in found
    ]


def sizes(model: nn.Module, names: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Number of weights of each block."""
    for name in names:
        yield name, model.get_parameter(f"{name}.weight").numel()
