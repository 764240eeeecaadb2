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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import torch

from mda.attribution import curvature, passes
from mda.attribution.curvature import Bases
from mda.attribution.influence import Direction, Tracker
from mda.attribution.watching import Seen
from mda.runtime import files
from mda.runtime.errors import UserError

log = logging.getLogger(__name__)

# Scales are not below the hundredth part of a block's root mean eigenvalue: a sample that was not fitted
# may have a gradient where the fitted ones have none, and half precision ends at 65,504.
SMALLEST = 1e-4
# Numbers of the store that are held at once when it is read, 256 MiB in single precision.
HELD = 2**26


class Kept(NamedTuple):
    """The directions of a block that are stored, by descending eigenvalue.

    Attributes:
        outputs, inputs: the numbers of the eigenvectors, shape (directions,) each.
        eigenvalues: shape (directions,), means over the fitted samples.
        scales: what gradients are divided by, shape (directions,).
        columns: the place of the directions in a line of the store.
    """

    outputs: np.ndarray
    inputs: np.ndarray
    eigenvalues: np.ndarray
    scales: np.ndarray
    columns: slice


def choose(blocks: Mapping[str, Callable[[], np.ndarray]], sizes: Mapping[str, int], values: int) -> pa.Table:
    """The directions to store.

    Args:
        blocks: by name, what gives the mean squared gradients of the fitted samples, shape (outputs, inputs).
            One is held at a time.
        sizes: how many numbers each block has.
        values: numbers to store for each sample and unit, shared among the unit's blocks by their sizes.

    Returns:
        A line for each direction, in the order of the store: block, output, input, eigenvalue, scale.
    """
    units: dict[str, int] = {}
    for name, size in sizes.items():
        unit = name.rpartition(".")[0]
        units[unit] = units.get(unit, 0) + size
    tables = []
    for name, means_of in blocks.items():
        means = means_of()
        number = max(1, round(means.size * min(1, values / units[name.rpartition(".")[0]])))
        chosen = _largest(means.ravel(), number)
        outputs, inputs = np.unravel_index(chosen, means.shape)
        eigenvalues = means.ravel()[chosen].astype(np.float64)
        # Where no sample has a gradient, anything is a scale.
        least = SMALLEST * means.mean(dtype=np.float64)
        scales = np.sqrt(np.maximum(eigenvalues, least)) if least > 0 else np.ones(number)
        columns = {"output": outputs, "input": inputs, "eigenvalue": eigenvalues, "scale": scales}
        tables.append(pa.table({"block": [name] * number, **columns}))
    return pa.concat_tables(tables)


def _largest(values: np.ndarray, number: int) -> np.ndarray:
    """Places of the largest values, the largest first, ties by place: the same factors give the same."""
    least = np.partition(values, len(values) - number)[len(values) - number]
    above, equal = np.flatnonzero(values > least), np.flatnonzero(values == least)
    places = np.concatenate([above, equal[: number - len(above)]])
    return places[np.lexsort((places, -values[places]))]


def read_directions(path: Path) -> dict[str, Kept]:
    """Read what `choose` gave, by block."""
    table = files.read_table(path).to_pandas()
    found, begin = {}, 0
    for name, mine in table.groupby("block", sort=False):
        outputs, inputs, eigenvalues, scales = (
            mine[column].to_numpy() for column in ("output", "input", "eigenvalue", "scale")
        )
        found[str(name)] = Kept(outputs, inputs, eigenvalues, scales, slice(begin, begin + len(mine)))
        begin += len(mine)
    return found


def width(kept: Mapping[str, Kept]) -> int:
    """Numbers of a line of the store."""
    return max(each.columns.stop for each in kept.values())


def check_floor(kept: Mapping[str, Kept], floor: float | None) -> None:
    """Refuse a floor where a block has no curvature, and so no directions to choose.

    Raises:
        UserError: it names the block.
    """
    flat = [name for name, each in kept.items() if not each.eigenvalues.any()]
    if flat and floor is not None:
        raise UserError(
            f"block {flat[0]} has no curvature, so that with attribution.floor every direction counts there, "
            "but some are stored; set attribution.floor or attribution.stored_gradients to null"
        )


def used(kept: Kept, share: float) -> int:
    """How many of a block's directions a share of the store is, those with the largest eigenvalues."""
    return max(1, round(share * len(kept.scales)))


def write(path: Path, lines: int, numbers: int, parts: Iterable[np.ndarray]) -> None:
    """Write the store part by part, as an array of shape (lines, numbers), float16."""
    header = {"descr": "<f2", "fortran_order": False, "shape": (lines, numbers)}
    with files.whole(path) as made, made.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        for part in parts:
            stream.write(part.tobytes())


def read(path: Path, lines: int, numbers: int) -> Iterator[np.ndarray]:
    """Read what `write` wrote, some lines after the other, not mapped: what is mapped counts as memory.

    Raises:
        UserError: when the array has another shape.
    """
    found = files.map_array(path)
    if found.shape != (lines, numbers) or found.dtype != np.float16:
        raise UserError(
            f"{path}: has the shape {found.shape}, and not {(lines, numbers)} as the files beside it say; "
            "delete the folder and run again"
        )
    # The numbers are the end of the file.
    begin = path.stat().st_size - found.nbytes
    del found
    together = max(1, HELD // numbers)
    with path.open("rb") as stream:
        stream.seek(begin)
        for first in range(0, lines, together):
            count = min(together, lines - first)
            yield np.fromfile(stream, np.float16, count * numbers).reshape(count, numbers)


def store(
    tracker: Tracker, rows: passes.Rows, kept: Mapping[str, Kept], eigen: curvature.Factors, batch: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The stored gradients of the rows, and their losses, some rows after the other.

    Yields:
        Shape (some rows, `width`), float16, and the summed cross-entropy in nats, shape (some rows,),
        float32.
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

    def work(seen: Seen, losses: torch.Tensor) -> tuple[np.ndarray, np.ndarray, int]:
        found = torch.empty((len(losses), width(kept)), device=place)
        for block, parts in curvature.rotated_gradients(seen, watched, bases):
            outputs, inputs, scales = chosen[block.name]
            own = torch.cat([part[:, outputs, inputs] for part in parts])
            found[:, kept[block.name].columns] = own / scales
        # What is not finite stays so, and is refused below.
        over = (found.abs() > largest) & found.isfinite()
        held = found.where(~over, found.clamp(-largest, largest)).half()
        # At once: Python waits for the device at every copy.
        return held.cpu().numpy(), losses.float().cpu().numpy(), int(over.sum())

    cut = 0
    for values, losses, over in passes.over(
        tracker.model, watched, rows, batch, work, "gradients stored", tracker.precision
    ):
        if not (np.isfinite(losses).all() and np.isfinite(values).all()):
            raise UserError(
                "the loss or the gradient of a sample is not finite, so the model is broken at this step; "
                "choose another checkpoint"
            )
        cut += over
        yield values, losses
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
        stored: some rows after the other, shape (some rows, `width`), float16; see `read`.
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
