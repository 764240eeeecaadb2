"""Compressed gradients of all samples: other probes and dampings are answered from them, without a pass.

In the eigenvectors of EK-FAC (George et al. 2018, arXiv 1806.03884) a block's curvature is diagonal, so
influence is a sum over directions, the pairs (i, j) of an eigenvector of what is written and one of what is
read:

    I(z) = - sum_ij  G_ij(z) P_ij / (lambda_ij + damping),    G = Q_S^T grad L(z) Q_A,  P = Q_S^T grad f Q_A

Stored are the G_ij(z) of the directions with the largest eigenvalues lambda_ij, in half precision, each
divided by the root of its eigenvalue, so that their sizes are near 1. Of a probe only P is needed, and the
sum over the stored directions approximates the score.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch

from mda.attribution import curvature, passes
from mda.attribution.curvature import Bases
from mda.attribution.influence import Direction, Tracker
from mda.attribution.pass_saves import PassSaves
from mda.attribution.stored_directions import Kept, used, width
from mda.attribution.watching import Seen
from mda.runtime.errors import UserError

log = logging.getLogger(__name__)


def store(
    tracker: Tracker,
    rows: passes.Rows,
    kept: Mapping[str, Kept],
    eigen: curvature.Factors,
    batch: int,
    saved: PassSaves | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The stored gradients of the rows, their losses and what was cut off, some rows after the other.

    Args:
        saved: where the pass keeps what it has found, to go on from after a kill.

    Yields:
        Shape (some rows, `width`), float16; the summed cross-entropy in nats, shape (some rows,), float32;
        and how many of a row's numbers were above what half precision holds, shape (some rows,).
    """
    watched = [block for own in tracker.blocks.values() for block in own.values()]
    bases = curvature.bases_of(tracker.model, eigen)
    place = next(tracker.model.parameters()).device
    chosen = {
        name: (torch.tensor(each.outputs, device=place), torch.tensor(each.inputs, device=place),
               torch.tensor(each.scales, device=place, dtype=torch.float32))
        for name, each in kept.items()
    }  # fmt: skip
    largest = torch.finfo(torch.float16).max

    def work(seen: Seen, losses: torch.Tensor) -> tuple[torch.Tensor, ...]:
        found = torch.empty((len(losses), width(kept)), device=place)
        for block, parts in curvature.rotated_gradients(seen, watched, bases):
            outputs, inputs, scales = chosen[block.name]
            own = torch.cat([part[:, outputs, inputs] for part in parts])
            found[:, kept[block.name].columns] = own / scales
        # What is not finite stays so, and is refused below.
        over = (found.abs() > largest) & found.isfinite()
        held = found.where(~over, found.clamp(-largest, largest)).half()
        # At once: Python waits for the device at every copy.
        return held.cpu(), losses.float().cpu(), over.sum(dim=1).cpu()

    def run(part: passes.Rows) -> Iterator[tuple[torch.Tensor, ...]]:
        about = "gradients stored"
        return passes.over(tracker.model, watched, part, batch, work, about, tracker.precision)

    cut = 0
    for values, losses, over in run(rows) if saved is None else saved.resumed(rows, run):
        if not (losses.isfinite().all() and values.isfinite().all()):
            raise UserError(
                "the loss or the gradient of a sample is not finite, so the model is broken at this step; "
                "choose another checkpoint"
            )
        cut += int(over.sum())
        yield values.numpy(), losses.numpy(), over.numpy()
    if cut:
        log.warning(
            "%d of the stored numbers were above what half precision holds, and were cut off, for their "
            "gradients are far larger than those of the fitted samples; raise attribution.fit.samples",
            cut,
        )


def influences(
    directions: Sequence[Direction],
    bases: Bases,
    kept: Mapping[str, Kept],
    stored: Iterable[np.ndarray],
    share: float = 1.0,
) -> list[dict[str, np.ndarray]]:
    """Influence of samples from their stored gradients.

    Args:
        directions: of `Tracker.directions`.
        bases: of `curvature.bases_of`.
        stored: some rows after the other, shape (some rows, `width`), float16; see `stored_directions.read`.
        share: of the stored directions of each block, those with the largest eigenvalues, to see what fewer
            give.

    Returns:
        For each query, its parts as `Tracker.along` has them: kind of block -> shape (rows,), float32,
        summed over the units.
    """
    columns: dict[tuple[int, str], int] = {}
    for direction in directions:
        columns.setdefault((direction.query, direction.kind), len(columns))
    weights = np.zeros((width(kept), len(columns)), np.float32)
    for direction in directions:
        block = direction.block
        read, written = bases["activation"][block.read], bases["gradient"][block.written]
        rotated = (written.T @ direction.weights.to(written.dtype) @ read).cpu().numpy()
        chosen = kept[block.name]
        number, first = used(chosen, share), chosen.columns.start
        own = rotated[chosen.outputs[:number], chosen.inputs[:number]] * chosen.scales[:number]
        weights[first : first + number, columns[direction.query, direction.kind]] += own
    scores = np.concatenate([-(part.astype(np.float32) @ weights) for part in stored])
    found: list[dict[str, np.ndarray]] = [{} for _ in range(1 + max(query for query, _ in columns))]
    for (query, kind), column in columns.items():
        found[query][kind] = np.ascontiguousarray(scores[:, column])
    return found
