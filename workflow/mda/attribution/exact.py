"""Influence with the exact damped Gauss-Newton matrix of each block, for models small enough.

What EK-FAC approximates: the Fisher information of the block's weights, E[grad grad^T] over samples and
over labels drawn from the model, which for cross-entropy is the Gauss-Newton matrix (Martens 2020,
arXiv 1412.1193, section 9). The expectation over samples is over all fitted ones; that over labels is a
mean of draws, whose error is measured by doing the same with each half of the draws.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from transformers import PreTrainedModel

from mda.attribution import passes, watching
from mda.attribution.passes import Rows
from mda.attribution.watching import Block, Seen

# The first seed of the draws: none of them has the labels that approximations are fitted on, whose seeds are
# small.
SEEDS = 2**32


def matrices(
    model: PreTrainedModel, blocks: Sequence[Block], rows: Rows, draws: int, seed: int, batch: int
) -> list[dict[str, torch.Tensor]]:
    """The matrices of the blocks, one set from the even draws and one from the odd.

    Returns:
        Two times block's name -> shape (weights, weights), float32, the mean over samples and draws.
    """
    halves: list[dict[str, torch.Tensor]] = [{}, {}]

    def squares(seen: Seen, losses: torch.Tensor) -> dict[str, torch.Tensor]:
        del losses
        found = {}
        for block in blocks:
            gradients = _gradients(seen, block)
            found[block.name] = gradients.T @ gradients
        return found

    for draw in range(draws):
        half = halves[draw % 2]
        share = 1 / (len(rows) * len(range(draw % 2, draws, 2)))
        # Labels by a seed that no other draw has.
        label_seed = SEEDS + seed * draws + draw
        about = f"Gauss-Newton, draw {draw + 1} of {draws}: fitted"
        for found in passes.over(model, blocks, rows, batch, squares, about, label_seed=label_seed):
            for name, square in found.items():
                half[name] = half[name].add_(square, alpha=share) if name in half else square.mul_(share)
    return halves


def _gradients(seen: Seen, block: Block) -> torch.Tensor:
    """Each sample's gradient in a block, flat: shape (samples, weights)."""
    return watching.sample_gradients(seen.read(block), seen.written(block)).flatten(1)


def directions(
    matrix: dict[str, torch.Tensor],
    probe: dict[str, torch.Tensor],
    damping: float,
    floor: float | None = None,
) -> dict[str, torch.Tensor]:
    """(H + damping x mean eigenvalue)^-1 grad f of each block, in float64; no eigenvalue below the floor.

    Zero of a block whose matrix is zero, as in `mda.attribution.curvature`.
    """
    found = {}
    for name, gradient in probe.items():
        block = matrix[name].double()
        block.diagonal().add_(damping * block.trace() / len(block))
        flat = gradient.flatten().double()
        if floor is not None:
            values, vectors = torch.linalg.eigh(block)
            found[name] = vectors @ ((vectors.T @ flat) / values.clamp(min=floor))
        elif block.any():
            found[name] = torch.linalg.solve(block, flat)
        else:
            found[name] = torch.zeros_like(flat)
    return found


def influences(
    model: PreTrainedModel,
    blocks: Sequence[Block],
    rows: Rows,
    sets: Sequence[dict[str, torch.Tensor]],
    batch: int,
) -> list[dict[str, np.ndarray]]:
    """Influence of each row by each set of directions: block's name -> shape (rows,), float64."""

    def products(seen: Seen, losses: torch.Tensor) -> list[dict[str, torch.Tensor]]:
        del losses
        gradients = {block.name: _gradients(seen, block).double() for block in blocks}
        return [
            {name: (-gradients[name] @ direction).cpu() for name, direction in directions.items()}
            for directions in sets
        ]

    batches = list(passes.over(model, blocks, rows, batch, products, "exact: scored"))
    return [
        {name: torch.cat([found[number][name] for found in batches]).numpy() for name in directions}
        for number, directions in enumerate(sets)
    ]
