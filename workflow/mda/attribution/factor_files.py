"""Curvature factors in files: which rows each part is fitted on, and how parts are joined.

A part holds sums over its rows with their counts, so the whole is the sum of the parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from mda.config import sections
from mda.runtime import files, parquet
from mda.runtime.errors import UserError

if TYPE_CHECKING:
    import torch


def rows(schedule: Path, fit: sections.Fit, part: int) -> np.ndarray:
    """The rows of one part of the sample that is drawn from the run's own stream.

    Returns:
        Row numbers, at most `fit.samples_per_part`, ascending, also over the parts.

    Raises:
        UserError: when there are fewer samples than are to be drawn.
    """
    generator = np.random.default_rng(fit.seed)
    samples = parquet.lines_of(schedule)
    if samples < fit.samples:
        raise UserError(
            f"attribution.fit.samples is {fit.samples}, but there are only {samples} samples; lower it"
        )
    places = np.sort(generator.choice(samples, size=fit.samples, replace=False))
    begin, drawn = 0, []
    for batch in parquet.read_batches(schedule, ["row"]):
        first, stop = np.searchsorted(places, [begin, begin + len(batch)])
        drawn.append(batch.column("row").to_numpy()[places[first:stop] - begin])
        begin += len(batch)
    sample = np.sort(np.concatenate(drawn))
    return sample[part * fit.samples_per_part : (part + 1) * fit.samples_per_part]


def join(parts: Sequence[Path]) -> dict[str, np.ndarray]:
    """The sum of the parts, added up in float64, in the type of the parts."""
    first = read(parts[0])
    if len(parts) == 1:
        return first
    sums = {key: array.astype(np.promote_types(array.dtype, np.float64)) for key, array in first.items()}
    for part in parts[1:]:
        tensors = read(part)
        if tensors.keys() != sums.keys():
            raise UserError(f"{part}: has other blocks than {parts[0]}; delete both and run again")
        for key in sums:
            sums[key] += tensors[key]
    return {key: array.astype(first[key].dtype) for key, array in sums.items()}


def read(path: Path) -> dict[str, np.ndarray]:
    """Read what `write` wrote.

    Raises:
        UserError: when the file is missing or damaged.
    """
    try:
        return load_file(path)
    except Exception as error:  # safetensors raises its own kinds
        raise UserError(f"{path}: cannot be read ({error}); delete it and run again") from error


@contextmanager
def opened(path: Path) -> Iterator[safe_open]:
    """The same file, of which each array is read when it is asked for."""
    try:
        with safe_open(path, framework="numpy") as factors:
            yield factors
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: cannot be read ({error}); delete it and run again") from error


def write(path: Path, tensors: dict[str, np.ndarray]) -> None:
    """Write factors with what made them, keyed `factor/module`."""
    with files.whole(path) as part:
        save_file(tensors, part, metadata={"made_by": files.made_by()})


def tensors(paths: Sequence[Path]) -> dict[str, torch.Tensor]:
    """What several files of factors hold, as one."""
    return {key: tensor for path in paths for key, tensor in to_tensors(read(path)).items()}


def to_arrays(tensors: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """Tensors as arrays."""
    return {key: tensor.numpy() for key, tensor in tensors.items()}


def to_tensors(arrays: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """Arrays as tensors."""
    import torch

    return {key: torch.from_numpy(array) for key, array in arrays.items()}
