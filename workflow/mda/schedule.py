"""Schedules: the exact training stream of a run, as a table (step, slot, row, role).

A schedule is small, inspectable and complete: with the token store it fixes every gradient
of the run. Branches of the base run differ from it only in their schedule.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from mda import files
from mda.errors import UserError

# What a row is to its step. A masked row is read but gives no gradient; a synthetic row is
# an index into the store of generated samples, every other one into the training store.
TRAIN, MASKED, REPLACEMENT, DUPLICATE, SYNTHETIC = range(5)
ROLES = ("train", "masked", "replacement", "duplicate", "synthetic")


@dataclass(frozen=True)
class Schedule:
    """A training stream, ordered by step and slot.

    Attributes:
        step, slot, row, role: int64 arrays of equal length; `role` indexes `ROLES`.
    """

    step: np.ndarray
    slot: np.ndarray
    row: np.ndarray
    role: np.ndarray

    def at(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows and roles of one step."""
        begin, stop = np.searchsorted(self.step, [step, step + 1])
        return self.row[begin:stop], self.role[begin:stop]

    def between(self, start: int, stop: int) -> Schedule:
        """The steps `start` to `stop` - 1."""
        begin, end = np.searchsorted(self.step, [start, stop])
        return Schedule(*(column[begin:end] for column in (self.step, self.slot, self.row, self.role)))

    def write(self, path: Path) -> None:
        """Write as Parquet, the role as a word."""
        role = pa.DictionaryArray.from_arrays(pa.array(self.role, pa.int8()), pa.array(ROLES))
        files.write_table(path, {"step": self.step, "slot": self.slot, "row": self.row, "role": role})

    @classmethod
    def read(cls, path: Path) -> Schedule:
        """Read what `write` wrote."""
        table = files.read_table(path)
        words = np.array(table.column("role").to_pylist())
        role = np.select([words == word for word in ROLES], range(len(ROLES)), default=-1)
        step, slot, row = (table.column(name).to_numpy() for name in ("step", "slot", "row"))
        return cls(step, slot, row, role)


def base(rows: int, steps: int, batch_size: int, seed: int) -> Schedule:
    """The base run: `steps` batches of rows in a random order, none twice.

    Raises:
        UserError: when the store has too few rows.
    """
    needed = steps * batch_size
    if rows < needed:
        raise UserError(
            f"the run reads {steps} x {batch_size} = {needed} rows, but the training store has {rows}; "
            "add documents, or lower run.steps or run.batch_size"
        )
    return _stream(np.random.default_rng(seed).permutation(rows)[:needed], 0, steps)


def branch(base_run: Schedule, start: int, stop: int, seed: int) -> Schedule:
    """The window's own rows in another order.

    All branches of one seed share this order, which is what pairs them.
    """
    window = base_run.between(start, stop)
    generator = np.random.default_rng([seed, 0])
    return _stream(generator.permutation(window.row), start, stop)


def _stream(rows: np.ndarray, start: int, stop: int) -> Schedule:
    batch_size = len(rows) // (stop - start)
    step = np.repeat(np.arange(start, stop), batch_size)
    slot = np.tile(np.arange(batch_size), stop - start)
    return Schedule(step, slot, rows.astype(np.int64), np.full(len(rows), TRAIN))


def mask(stream: Schedule, selected: np.ndarray) -> Schedule:
    """Remove rows by masking their loss (arXiv 2601.21996, deletion)."""
    role = np.where(np.isin(stream.row, selected), MASKED, stream.role)
    return Schedule(stream.step, stream.slot, stream.row, role)


def replace(stream: Schedule, selected: np.ndarray, seed: int) -> Schedule:
    """Remove rows by putting unselected rows of the window in their places.

    The number of gradients of every step stays what it was, which masking changes.
    """
    hit = np.isin(stream.row, selected)
    pool = np.unique(stream.row[~hit])
    if len(pool) < hit.sum():
        raise UserError(f"only {len(pool)} unselected rows for {hit.sum()} places; lower the fraction")
    row = stream.row.copy()
    row[hit] = np.random.default_rng([seed, 1]).choice(pool, size=int(hit.sum()), replace=False)
    return Schedule(stream.step, stream.slot, row, np.where(hit, REPLACEMENT, stream.role))


def insert(stream: Schedule, rows: np.ndarray, role: int, seed: int, at_step: int | None = None) -> Schedule:
    """Add rows to the stream: spread evenly over its steps in random order, or all at one step."""
    order = np.random.default_rng([seed, 2]).permutation(rows)
    start, stop = int(stream.step[0]), int(stream.step[-1]) + 1
    steps = start + np.arange(len(rows)) * (stop - start) // max(len(rows), 1)
    if at_step is not None:
        steps = np.full(len(rows), at_step)
    sizes = np.bincount(stream.step, minlength=stop)
    within = np.arange(len(rows)) - np.searchsorted(steps, steps)
    joined = Schedule(
        np.concatenate([stream.step, steps]),
        np.concatenate([stream.slot, sizes[steps] + within]),
        np.concatenate([stream.row, order.astype(np.int64)]),
        np.concatenate([stream.role, np.full(len(rows), role)]),
    )
    sort = np.lexsort((joined.slot, joined.step))
    return Schedule(joined.step[sort], joined.slot[sort], joined.row[sort], joined.role[sort])
