"""Token stores that are written batch by batch, so that a killed run goes on where it was.

A folder holds a part file a split, a whole .npy of the final size whose rows fill up in order, and
a ledger with a line for each finished batch. Batches are written before their line is; so what the
ledger names is there, unless the machine went down, which the checksums tell.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mda.runtime.errors import UserError

log = logging.getLogger(__name__)

TOKEN = np.dtype("<u2")

# Batches at the ledger's end that are read again before a killed run goes on. The others are when
# the stores are finished.
CHECKED = 64


@dataclass(frozen=True)
class Batch:
    """One published batch, and where its rows go.

    Attributes:
        number: of the batch in the published order.
        row, rows: its first row in the store of its split, and how many; the last batch of a run
            may be a part.
    """

    split: str
    number: int
    row: int
    rows: int


@dataclass(frozen=True)
class Entry:
    """A line of the ledger: a finished batch, where it came from, and its content in short."""

    batch: int
    split: str
    rows: int
    files: list[str]
    first_byte: int | None
    sha256: str
    minimum: int
    maximum: int
    separators: int


def plan(train_rows: int, held_out: tuple[int, int], batch_size: int) -> list[Batch]:
    """The batches to read, in order: the training rows from batch 0 on, then those held out."""
    train = [
        Batch("train", row // batch_size, row, min(batch_size, train_rows - row))
        for row in range(0, train_rows, batch_size)
    ]
    first, stop = held_out
    return train + [
        Batch("held_out", number, (number - first) * batch_size, batch_size) for number in range(first, stop)
    ]


class Ledger:
    """The part files of a plan and what of it is finished.

    Attributes:
        entries: the finished batches, a beginning of the plan.
    """

    def __init__(self, folder: Path, batches: list[Batch], width: int) -> None:
        """Open what an earlier run left in `folder`, as far as it is whole, or begin.

        Args:
            batches: what is to be written, in order.
            width: tokens a row.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.batches, self.width = folder, batches, width
        self.splits = list(dict.fromkeys(batch.split for batch in batches))
        kept = {split: self._open(split) for split in self.splits}
        self._offsets = {split: self._map(split).offset for split in self.splits}
        self.entries = list(itertools.takewhile(lambda entry: kept[entry.split], self._lines()))
        self._keep(self._whole())

    def part(self, split: str) -> Path:
        """The part file of a split."""
        return self.folder / f"{split}.npy.part"

    def add(self, batch: Batch, tokens: np.ndarray, entry: Entry) -> None:
        """Write a batch's rows, shape (rows, width), then its line.

        Raises:
            UserError: when the disk is full.
        """
        assert tokens.shape == (batch.rows, self.width)
        with self._writing():
            # Not through a memory map: there a full disk is a signal that ends the process.
            with self.part(batch.split).open("r+b") as stream:
                stream.seek(self._place(batch))
                stream.write(np.ascontiguousarray(tokens, dtype=TOKEN).data)
            with self._path.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(dataclasses.asdict(entry)) + "\n")
        self.entries.append(entry)

    def verified(self, split: str, size: int) -> Iterator[np.ndarray]:
        """A finished split's rows, `size` batches at a time, each held against its checksum.

        Raises:
            UserError: when a batch is no longer what was written; what follows it is forgotten.
        """
        numbered = [(index, batch) for index, batch in enumerate(self.batches) if batch.split == split]
        for begin in range(0, len(numbered), size):
            parts = []
            for index, batch in numbered[begin : begin + size]:
                parts.append(self._read(batch))
                if digest(parts[-1]) != self.entries[index].sha256:
                    self._keep(index)
                    raise UserError(
                        f"{self.part(split)}: batch {batch.number} on disk is not what was received; check "
                        "the disk, then run the same command again, which goes on from that batch"
                    )
            yield np.concatenate(parts)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(
                f"{self.folder}: cannot be written ({error.strerror}); free the disk or mend the folder's "
                "permissions, then run the same command again: it goes on after the last whole batch"
            ) from error

    @property
    def _path(self) -> Path:
        return self.folder / "ledger.jsonl"

    def _open(self, split: str) -> bool:
        """Whether the part file is there; it is made otherwise."""
        rows = sum(batch.rows for batch in self.batches if batch.split == split)
        try:
            there = self._map(split)
            if there.shape == (rows, self.width) and there.dtype == TOKEN:
                return True
        except (OSError, ValueError, EOFError):
            pass
        with self._writing():
            np.lib.format.open_memmap(self.part(split), mode="w+", dtype=TOKEN, shape=(rows, self.width))
        return False

    def _lines(self) -> Iterator[Entry]:
        """The ledger's lines as long as they follow the plan; a kill may have cut the last."""
        text = self._path.read_text(encoding="utf-8") if self._path.exists() else ""
        for batch, line in zip(self.batches, text.splitlines(), strict=False):
            try:
                entry = Entry(**json.loads(line))
            except (ValueError, TypeError):
                return
            if (entry.split, entry.batch, entry.rows) != (batch.split, batch.number, batch.rows):
                return
            yield entry

    def _whole(self) -> int:
        """How many entries to keep: those before the first of the last that is not whole."""
        for index in range(max(0, len(self.entries) - CHECKED), len(self.entries)):
            batch = self.batches[index]
            if digest(self._read(batch)) != self.entries[index].sha256:
                log.info("batch %d on disk is not what was received: reading it again", batch.number)
                return index
        return len(self.entries)

    def _place(self, batch: Batch) -> int:
        """The batch's first byte in its part file."""
        return self._offsets[batch.split] + batch.row * self.width * TOKEN.itemsize

    def _read(self, batch: Batch) -> np.ndarray:
        """A batch's rows as they are on disk, shape (rows, width)."""
        # Not mapped: the pages of the whole store would count as this process's memory.
        count = batch.rows * self.width
        tokens = np.fromfile(self.part(batch.split), TOKEN, count, offset=self._place(batch))
        return tokens.reshape(batch.rows, self.width)

    def _map(self, split: str) -> np.memmap:
        return np.load(self.part(split), mmap_mode="r", allow_pickle=False)

    def _keep(self, count: int) -> None:
        """Forget all entries but the first `count`."""
        del self.entries[count:]
        text = "".join(json.dumps(dataclasses.asdict(entry)) + "\n" for entry in self.entries)
        part = self._path.with_suffix(".part")
        with self._writing():
            part.write_text(text, encoding="utf-8")
            part.replace(self._path)


def digest(tokens: np.ndarray) -> str:
    """SHA-256 of rows as they are stored: uint16, little-endian."""
    return hashlib.sha256(np.ascontiguousarray(tokens, dtype=TOKEN).data).hexdigest()
