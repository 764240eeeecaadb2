"""Which directions of gradients are stored, and the files of the store; see `stored_gradients`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from mda.runtime import files, parquet
from mda.runtime.errors import UserError

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
    return of_table(parquet.read_table(path))


def of_table(chosen: pa.Table) -> dict[str, Kept]:
    """What `choose` gave, by block."""
    found, begin = {}, 0
    for name, mine in chosen.to_pandas().groupby("block", sort=False):
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
