"""What a pass over rows has found so far, kept on disk, so that a killed job goes on from there."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from mda.attribution.passes import Rows
from mda.runtime import files, parquet, saves

log = logging.getLogger(__name__)

# What was found of some rows: tensors whose first axis is the rows.
Batch = tuple[torch.Tensor, ...]
# Of batches that are not saved yet: so many bytes are saved sooner, for memory is asked for without them.
MOST_HELD = 64 * 2**20


class PassSaves:
    """The saves of one pass.

    A file has the batches of some rows, and is named by the first of them and the one after the last. Two
    processes may make the same pass, an orphan and its successor: each writes whole files of the same
    numbers.
    """

    def __init__(self, resume: Path, seconds: float, part: str = "") -> None:
        """Use a folder of `resume` that is of this job's configuration, code and inputs alone.

        Args:
            seconds: time between two saves.
            part: of a job of several passes, the name of one.
        """
        self.resume, self.folder, self.seconds = resume, saves.folder(resume) / part, seconds

    def resumed(self, rows: Rows, run: Callable[[Rows], Iterable[Batch]]) -> Iterator[Batch]:
        """The batches of all rows, in order: those that are saved, then those of a pass over the others.

        The pass goes on at the end of a batch, so that its batches are those of an unbroken one.

        Args:
            run: rows -> their batches, in order.
        """
        begin = 0
        for batch in self._saved():
            begin += len(batch[0])
            yield batch
        if begin:
            log.info("%d of %d rows were done before; going on from there", begin, len(rows))
        unsaved: list[Batch] = []
        since, held = time.monotonic(), 0
        for batch in run(Rows(rows.store, rows.rows[begin:])):
            unsaved.append(batch)
            held += sum(values.nbytes for values in batch)
            if held >= MOST_HELD or time.monotonic() - since >= self.seconds:
                begin = self._save(begin, unsaved)
                unsaved, since, held = [], time.monotonic(), 0
            yield batch

    def table(self, part: str, make: Callable[[PassSaves], pa.Table]) -> pa.Table:
        """The table of one part of a job, which is kept when it is made.

        Args:
            make: saves of the part's own pass -> its table.
        """
        path = self.folder / f"{part}.parquet"
        if path.exists():
            log.info("%s was done before", part)
            return parquet.read_table(path)
        own = PassSaves(self.resume, self.seconds, part)
        found = make(own)
        parquet.write_table(path, found)
        files.remove(own.folder)
        return found

    def forget(self) -> None:
        """Remove all saves of the job, whose result is written."""
        saves.forget(self.resume)

    def _saved(self) -> Iterator[Batch]:
        found = {tuple(map(int, path.stem.split("-"))): path for path in self.folder.glob("*-*.npz")}
        at = 0
        # Of those that begin here, the one that ends last; what overlaps it is of another process.
        while ends := [end for begin, end in found if begin == at]:
            try:
                with np.load(found[at, max(ends)], allow_pickle=False) as arrays:
                    batch = tuple(torch.from_numpy(arrays[name]) for name in arrays.files)
            except FileNotFoundError:
                # Another process of the job has just done the part, and removed its saves.
                return
            yield batch
            at = max(ends)

    def _save(self, begin: int, batches: list[Batch]) -> int:
        joined = [torch.cat(parts).numpy() for parts in zip(*batches, strict=True)]
        end = begin + len(joined[0])
        with files.whole(self.folder / f"{begin}-{end}.npz") as part, part.open("wb") as stream:
            np.savez(stream, *joined)
        return end
