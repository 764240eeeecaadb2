"""Schedules: the exact training stream of a run, as a table (step, update, slot, row, role).

A schedule is small, inspectable and complete: with the token store it fixes every gradient
of the run. Branches of the base run differ from it only in their schedule. All branches of one seed
share an order. What an intervention changes in it is a schedule too, of these places alone: `read`
puts both together.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mda.config import sections
from mda.runtime import parquet
from mda.runtime.errors import UserError

# What a row is to its step. A masked row is read but gives no gradient; a synthetic row is
# an index into the store of generated samples, every other one into the training store.
TRAIN, MASKED, REPLACEMENT, DUPLICATE, SYNTHETIC = range(5)
ROLES = ("train", "masked", "replacement", "duplicate", "synthetic")
# Roles of changed rows that stand in a place of the order; those of others are added to it.
IN_PLACE = (MASKED, REPLACEMENT)
MAKE_AGAIN = "remove its file and make it again"
# In the metadata of a file of changes: `Schedule.name` of the order that they change.
OF_ORDER = b"of_order"
# Samples of a trace that are listed at once.
TOGETHER = 2**17


@dataclass(frozen=True)
class Schedule:
    """A training stream, ordered by step, update and slot.

    A step is a place in the base run's stream. It has one optimizer update (number 0), and more
    where samples were inserted as batches of their own.

    Attributes:
        step, update, slot, row, role: int64 arrays of equal length; `role` indexes `ROLES`.
    """

    step: np.ndarray
    update: np.ndarray
    slot: np.ndarray
    row: np.ndarray
    role: np.ndarray

    def at(self, step: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Rows and roles of one step, a pair for each update."""
        mine = self.between(step, step + 1)
        edges = np.flatnonzero(np.diff(mine.update)) + 1
        return list(zip(np.split(mine.row, edges), np.split(mine.role, edges), strict=True))

    def between(self, start: int, stop: int) -> Schedule:
        """The steps `start` to `stop` - 1."""
        begin, end = np.searchsorted(self.step, [start, stop])
        return self._map(lambda column: column[begin:end])

    def largest_update(self) -> int:
        """Rows of the largest update; 0 of a stream without any."""
        if len(self.row) == 0:
            return 0
        begins = np.flatnonzero(
            (np.diff(self.step, prepend=-1) != 0) | (np.diff(self.update, prepend=-1) != 0)
        )
        return int(np.diff(begins, append=len(self.row)).max())

    def ordered(self) -> tuple[int, int]:
        """Rows of the base run's order, and their updates: the same of all branches, whatever they insert."""
        own = np.isin(self.role, (TRAIN, *IN_PLACE))
        return int(own.sum()), len(np.unique(self.step[own]))

    def outside(self, start: int, stop: int) -> Schedule:
        """All other steps."""
        kept = (self.step < start) | (self.step >= stop)
        return self._map(lambda column: column[kept])

    def changed(self, changes: Schedule) -> Schedule:
        """This order with the changes of an intervention: rows masked or replaced in place, or added.

        Raises:
            UserError: when these are no changes of this order.
        """
        if (changes.role == TRAIN).any():
            raise UserError(
                "the file of this branch has its whole stream, and not its changes alone; " + MAKE_AGAIN
            )
        inside = np.isin(changes.role, IN_PLACE)
        mine, theirs = _places(self, changes)
        if len(np.unique(theirs)) < len(theirs):
            raise UserError("the file of this branch has a place twice; " + MAKE_AGAIN)
        at = np.searchsorted(mine, theirs)
        found = at < len(mine)
        found[found] = mine[at[found]] == theirs[found]
        at, masked = at[inside], changes.role[inside] == MASKED
        # Orders of all seeds have the same places, so rows tell them apart.
        if (found != inside).any() or (self.row[at] != changes.row[inside])[masked].any():
            raise UserError("the changes of this branch are of another order; " + MAKE_AGAIN)
        row, role = self.row.copy(), self.role.copy()
        row[at], role[at] = changes.row[inside], changes.role[inside]
        whole = dataclasses.replace(self, row=row, role=role)
        return whole if inside.all() else whole.join(changes._map(lambda column: column[~inside]))

    def join(self, other: Schedule) -> Schedule:
        """Both streams as one, in order."""
        pairs = zip(self._columns(), other._columns(), strict=True)
        joined = Schedule(*[np.concatenate(pair) for pair in pairs])
        order = np.lexsort((joined.slot, joined.update, joined.step))
        return joined._map(lambda column: column[order])

    def _columns(self) -> tuple[np.ndarray, ...]:
        return self.step, self.update, self.slot, self.row, self.role

    def _map(self, change: Callable[[np.ndarray], np.ndarray]) -> Schedule:
        return Schedule(*map(change, self._columns()))

    def table(self) -> pa.Table:
        """A line for each sample, the role as a word."""
        role = pa.DictionaryArray.from_arrays(pa.array(self.role, pa.int8()), pa.array(ROLES))
        columns = {"step": self.step, "update": self.update, "slot": self.slot, "row": self.row}
        return pa.table({**columns, "role": role})

    def name(self) -> str:
        """A hash of what is read where."""
        state = hashlib.sha256()
        for column in (self.step, self.update, self.slot, self.row):
            state.update(np.ascontiguousarray(column, "<i8").data)
        return state.hexdigest()

    def write(self, path: Path, order: Schedule | None = None) -> None:
        """Write the table as Parquet; of changes, with the name of the `order` that they change."""
        table = self.table()
        if order is not None:
            table = table.replace_schema_metadata({OF_ORDER: order.name().encode()})
        parquet.write_table(path, table)

    @classmethod
    def read(cls, path: Path) -> Schedule:
        """Read what `write` wrote."""
        return cls._of(parquet.read_table(path))

    @classmethod
    def _of(cls, table: pa.Table) -> Schedule:
        role = pc.index_in(table.column("role").cast(pa.string()), pa.array(ROLES)).to_numpy()
        step, update, slot, row = (
            table.column(name).to_numpy() for name in ("step", "update", "slot", "row")
        )
        return cls(step, update, slot, row, role.astype(np.int64))


def read(order: Path, changes: Path | None) -> Schedule:
    """What a branch trains on: the order of its seed, with the changes of its intervention if it has one.

    Raises:
        UserError: when a file cannot be read, or the second is not of changes of this order.
    """
    whole = Schedule.read(order)
    if changes is None:
        return whole
    table = parquet.read_table(changes)
    # Files of earlier versions do not name their order.
    named = (table.schema.metadata or {}).get(OF_ORDER)
    try:
        if named is not None and named != whole.name().encode():
            raise UserError("the changes of this branch are of another order; " + MAKE_AGAIN)
        return whole.changed(Schedule._of(table))
    except UserError as error:
        raise UserError(f"{changes}: {error}") from None


def _places(*streams: Schedule) -> list[np.ndarray]:
    """A number for each place, the same in all streams; of a schedule in order they rise."""
    updates, slots = (
        1 + max(int(getattr(stream, name).max(initial=0)) for stream in streams)
        for name in ("update", "slot")
    )
    return [(stream.step * updates + stream.update) * slots + stream.slot for stream in streams]


def samples(path: Path, steps: tuple[int, int], first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The steps and rows of `count` samples of a written schedule, `first` of some steps and on.

    However long the schedule, no more of it is held.

    Args:
        steps: from, to before.
    """
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for batch in parquet.read_batches(path, ["step", "row"]):
        step, row = (batch.column(name).to_numpy() for name in ("step", "row"))
        inside = (step >= steps[0]) & (step < steps[1])
        step, row = step[inside], row[inside]
        part = slice(min(first, len(step)), first + count)
        found.append((step[part], row[part]))
        first, count = first - part.start, count - len(step[part])
        if count == 0:
            break
    step, row = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return step, row


def base(rows: int, steps: int, batch_size: int, seed: int | None) -> Schedule:
    """The base run: `steps` batches of rows, none twice, in random order or, without seed, as stored.

    Raises:
        UserError: when the store has too few rows.
    """
    needed = steps * batch_size
    if rows < needed:
        raise UserError(
            f"the run reads {steps} x {batch_size} = {needed} rows, but the training store has {rows}; "
            "add documents, or lower run.steps or run.batch_size"
        )
    order = np.arange(rows) if seed is None else np.random.default_rng(seed).permutation(rows)
    return _stream(order[:needed], 0, steps)


def read_once(rows: int, parts: int, most: int | None = None) -> Iterator[Schedule]:
    """All rows as they are stored, or the first `most`, in `parts` of about equal size, each a step.

    Yields:
        Some samples after the other: of a large corpus not all are held.

    Raises:
        UserError: when the store has fewer rows than `most`, or than parts.
    """
    wanted = rows if most is None else most
    if rows < wanted:
        raise UserError(f"trace.rows is {wanted}, but the corpus has only {rows} rows; lower it, or set null")
    if wanted < parts:
        raise UserError(f"trace.jobs is {parts}, but there are only {wanted} rows to score; lower it")
    size, larger = divmod(wanted, parts)
    ends = np.cumsum([0] + [size + (part < larger) for part in range(parts)]).tolist()
    for step, (begin, end) in enumerate(itertools.pairwise(ends)):
        for first in range(begin, end, TOGETHER):
            row = np.arange(first, min(first + TOGETHER, end))
            yield Schedule(
                np.full(len(row), step), np.zeros_like(row), row - begin, row, np.full(len(row), TRAIN)
            )


def reordered(base_run: Schedule, window: sections.Window, seed: int) -> Schedule:
    """The base run's stream from the branching step on, with the window's rows in another order.

    All branches of one seed share this order, which is what pairs them.
    """
    before = base_run.between(window.origin, window.start)
    inside = base_run.between(window.start, window.stop)
    rows = np.random.default_rng([seed, 0]).permutation(inside.row)
    return before.join(_stream(rows, window.start, window.stop))


def _stream(rows: np.ndarray, start: int, stop: int) -> Schedule:
    batch_size = len(rows) // (stop - start)
    step = np.repeat(np.arange(start, stop), batch_size)
    slot = np.tile(np.arange(batch_size), stop - start)
    return Schedule(step, np.zeros_like(step), slot, rows.astype(np.int64), np.full(len(rows), TRAIN))


def mask(order: Schedule, selected: np.ndarray) -> Schedule:
    """Remove rows by masking their loss (arXiv 2601.21996, deletion).

    Like those of all interventions, the result has the changes to the order alone; see `Schedule.changed`.
    """
    hit = np.isin(order.row, selected)
    return _in_place(order, hit, order.row[hit], MASKED)


def replace(order: Schedule, selected: np.ndarray, seed: int, window: sections.Window) -> Schedule:
    """Remove rows by putting unselected rows of the window in their places.

    The number of gradients of every step stays what it was, which masking changes.

    Raises:
        UserError: when too few rows are unselected.
    """
    hit = np.isin(order.row, selected)
    pool = np.setdiff1d(order.between(window.start, window.stop).row, selected)
    if len(pool) < hit.sum():
        raise UserError(f"only {len(pool)} unselected rows for {hit.sum()} places; lower the fraction")
    rows = np.random.default_rng([seed, 1]).choice(pool, size=int(hit.sum()), replace=False)
    return _in_place(order, hit, rows, REPLACEMENT)


def swap(order: Schedule, selected: np.ndarray, others: np.ndarray, seed: int) -> Schedule:
    """Put as many rows of another interval in the places of the selected ones, in random order."""
    hit = np.isin(order.row, selected)
    rows = np.random.default_rng([seed, 1]).choice(others, size=int(hit.sum()), replace=False)
    return _in_place(order, hit, rows, REPLACEMENT)


def _in_place(order: Schedule, hit: np.ndarray, rows: np.ndarray, role: int) -> Schedule:
    """The places that were hit, with these rows, all of one role."""
    return Schedule(order.step[hit], order.update[hit], order.slot[hit], rows, np.full(len(rows), role))


def insert(order: Schedule, rows: np.ndarray, role: int, seed: int, window: sections.Window) -> Schedule:
    """Add rows to the batches of the window, spread evenly over its steps in random order."""
    added = np.random.default_rng([seed, 2]).permutation(rows)
    steps = window.start + np.arange(len(rows)) * (window.stop - window.start) // max(len(rows), 1)
    sizes = np.bincount(order.step, minlength=window.stop)
    slots = sizes[steps] + np.arange(len(rows)) - np.searchsorted(steps, steps)
    return Schedule(steps, np.zeros_like(steps), slots, added.astype(np.int64), np.full(len(rows), role))


def insert_at(rows: np.ndarray, role: int, seed: int, step: int, batch_size: int) -> Schedule:
    """Add rows after the batch of one step, as updates of their own of `batch_size` rows.

    The published insertions are of up to a hundred batches' samples at a step (arXiv 2601.21996).
    """
    added = np.random.default_rng([seed, 2]).permutation(rows).astype(np.int64)
    update, slot = np.divmod(np.arange(len(rows)), batch_size)
    return Schedule(np.full(len(rows), step), update + 1, slot, added, np.full(len(rows), role))
