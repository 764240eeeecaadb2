"""Batches of a tokenized corpus in the order of a published run, and what their rows are made of.

Rows are numbered over the whole corpus: row r is row r % batch_size of batch r // batch_size. The
published order is a shuffle of rows, so that no row continues the one before it.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mda.config import corpus_sections
from mda.corpus.published.token_shards import ByteStream, Shards
from mda.runtime.errors import UserError

TOKEN = np.dtype("<u2")
COLUMNS = ["uid", "batch_idx", "token_ids"]


class Batches(Protocol):
    """Rows of tokens in published order.

    Attributes:
        threads: how many reads may run at once.
    """

    threads: int

    def check(self, stop: int) -> None:
        """Fail, before anything is read, when the batches to before `stop` are not all there."""
        ...

    def read(self, start: int, stop: int) -> np.ndarray:
        """The rows from `start` to before `stop`, uint16, shape (stop - start, context + 1)."""
        ...

    def origin(self, start: int, stop: int) -> tuple[list[str], int | None]:
        """The files of these rows, and their first byte in the first file, where that is known."""
        ...


def batches_of(source: corpus_sections.Tokenized, shards: Shards, width: int) -> Batches:
    """The reader for a source's format, of rows of `width` tokens."""
    if source.format == "binary":
        return BinaryBatches(shards, width, source.batch_size)
    return ParquetBatches(shards, width, source.batch_size)


class BinaryBatches:
    """Headerless uint16, little-endian; the files are one stream, and a row may straddle two."""

    threads = 4

    def __init__(self, shards: Shards, width: int, batch_size: int) -> None:
        """Take the stream's size.

        Raises:
            UserError: when files of different lengths hold no whole number of rows: all rows
                after the file that was cut would be shifted.
        """
        self.stream, self.width, self.batch_size = ByteStream(shards), width, batch_size
        self.row_bytes = width * TOKEN.itemsize
        names, sizes = shards.names, shards.sizes
        odd = [name for name, size in zip(names[:-1], sizes, strict=False) if size != sizes[0]]
        if self.stream.size % self.row_bytes and (odd or sizes[-1] > sizes[0]):
            raise UserError(
                f"{shards.place}: the files have {self.stream.size:,} bytes, which is no whole number of "
                f"rows of {width} tokens, and {(odd or names)[-1]} has another size than {names[0]}; fetch "
                "the shorter one again, or mend corpus.tokenized.width"
            )

    def check(self, stop: int) -> None:
        """Fail when the batches to before `stop` are not all there."""
        shards, there = self.stream.shards, self.stream.size // (self.row_bytes * self.batch_size)
        if stop > there:
            raise UserError(
                f"{shards.place}: has {there} whole batches of {self.batch_size} rows in its "
                f"{len(shards.names)} files, 0 to {there - 1}, but batch {stop - 1} was asked for; lower "
                "run.steps or corpus.tokenized.held_out, or raise corpus.tokenized.shards"
            )

    def read(self, start: int, stop: int) -> np.ndarray:
        """The rows from `start` to before `stop`, uint16, shape (stop - start, width)."""
        content = self.stream.read(start * self.row_bytes, stop * self.row_bytes)
        return np.frombuffer(content, TOKEN).reshape(-1, self.width)

    def origin(self, start: int, stop: int) -> tuple[list[str], int | None]:
        """The files of these rows, and their first byte in the first of them."""
        spans = self.stream.spans(start * self.row_bytes, stop * self.row_bytes)
        return [self.stream.shards.names[span.file] for span in spans], spans[0].start


class RangeFile(io.RawIOBase):
    """One file of many, as the file object that pyarrow reads."""

    def __init__(self, shards: Shards, file: int) -> None:
        self.shards, self.file, self.place = shards, file, 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Position of the next byte."""
        return self.place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self.place, io.SEEK_END: self.shards.sizes[self.file]}
        self.place = origin[whence] + offset
        return self.place

    def read(self, size: int = -1) -> bytes:
        """The next bytes, all of them unless the file ends."""
        end = self.shards.sizes[self.file]
        stop = end if size is None or size < 0 else min(end, self.place + size)
        content = self.shards.read(self.file, self.place, stop) if stop > self.place else b""
        self.place += len(content)
        return content


@dataclass(frozen=True)
class RowGroup:
    """A row group of a file, and the first and last batch in it."""

    file: int
    number: int
    first: int
    last: int


class ParquetTable:
    """One Parquet file of batches, of which only the footer is read until rows are asked for."""

    def __init__(self, shards: Shards, file: int) -> None:
        self.name, self.file = f"{shards.names[file]} of {shards.place}", file
        try:
            self.reader = pq.ParquetFile(RangeFile(shards, file), pre_buffer=True)
        except pa.ArrowInvalid as error:
            raise UserError(f"{self.name} cannot be read as Parquet ({str(error).splitlines()[0]})") from None
        names = self.reader.schema_arrow.names
        missing = [column for column in COLUMNS if column not in names]
        if missing:
            raise UserError(f"{self.name} has no column '{missing[0]}', only {', '.join(names)}")

    @cached_property
    def groups(self) -> list[RowGroup]:
        """The row groups with their batches, from the footer's statistics where it has them."""
        footer, found = self.reader.metadata, []
        paths = [footer.schema.column(index).path for index in range(footer.num_columns)]
        for number in range(footer.num_row_groups):
            if footer.row_group(number).num_rows == 0:
                continue
            statistics = footer.row_group(number).column(paths.index("batch_idx")).statistics
            if statistics is not None and statistics.has_min_max:
                first, last = statistics.min, statistics.max
            else:
                column = self.reader.read_row_group(number, ["batch_idx"]).column(0)
                first, last = pc.min_max(column).as_py().values()
            if first is None:
                raise UserError(f"{self.name} has rows without a batch_idx; name another dataset")
            found.append(RowGroup(self.file, number, first, last))
        return found

    def rows(self, number: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """uid and batch_idx, shape (rows,), and tokens, uint16, shape (rows, width), of a row group.

        Decoded in parts: token_ids may be of 8 bytes each.
        """
        parts = []
        for part in self.reader.iter_batches(1024, [number], columns=COLUMNS):
            lists = part.column("token_ids")
            flat = pc.list_flatten(lists)
            if (
                len(flat) != len(lists) * width
                or not pc.all(pc.equal(pc.list_value_length(lists), width)).as_py()
            ):
                raise UserError(
                    f"{self.name} has rows that are not {width} tokens long; mend corpus.tokenized.width"
                )
            tokens = flat.to_numpy(zero_copy_only=False)
            if flat.null_count or tokens.min() < 0 or tokens.max() > np.iinfo(TOKEN).max:
                raise UserError(f"{self.name} has tokens that are not between 0 and {np.iinfo(TOKEN).max}")
            uid, batch = (part.column(name).to_numpy(zero_copy_only=False) for name in COLUMNS[:2])
            parts.append((uid, batch, tokens.astype(TOKEN).reshape(-1, width)))
        uids, batches, tokens = (np.concatenate(column) for column in zip(*parts, strict=True))
        return uids, batches, tokens


class ParquetBatches:
    """Tables with the columns uid, batch_idx and token_ids, the files in order of their batches.

    Footers are read from the first file to that of the last batch wanted; of the rest only the row
    groups that hold a wanted batch. One row group is kept in memory, as uint16.
    """

    # One after another: neighbours share row groups, and the last one read is kept.
    threads = 1

    def __init__(self, shards: Shards, width: int, batch_size: int) -> None:
        self.shards, self.width, self.batch_size = shards, width, batch_size
        self.tables: list[ParquetTable] = []
        self.kept: tuple[RowGroup, tuple[np.ndarray, np.ndarray, np.ndarray]] | None = None

    def check(self, stop: int) -> None:
        """Fail when the files end before batch `stop` - 1."""
        self._groups(stop - 1)

    def read(self, start: int, stop: int) -> np.ndarray:
        """The rows from `start` to before `stop`, uint16, shape (stop - start, width).

        Raises:
            UserError: when a batch has more or fewer rows than it should.
        """
        first, last = start // self.batch_size, (stop - 1) // self.batch_size
        rows = np.concatenate([self._batch(batch) for batch in range(first, last + 1)])
        begin = first * self.batch_size
        return rows[start - begin : stop - begin]

    def origin(self, start: int, stop: int) -> tuple[list[str], int | None]:
        """The files of these rows; they have no one first byte."""
        batches = range(start // self.batch_size, (stop - 1) // self.batch_size + 1)
        found = {group.file for batch in batches for group in self._groups(batch)}
        return [self.shards.names[file] for file in sorted(found)], None

    def _groups(self, batch: int) -> list[RowGroup]:
        """The row groups that may hold a batch, after reading footers as far as needed."""
        while not any(group.last > batch for table in self.tables[-1:] for group in table.groups):
            if len(self.tables) == len(self.shards.names):
                break
            self.tables.append(ParquetTable(self.shards, len(self.tables)))
        groups = [group for table in self.tables for group in table.groups]
        found = [group for group in groups if group.first <= batch <= group.last]
        if not found:
            raise UserError(
                f"{self.shards.place}: no file holds batch {batch}, the {len(self.tables)} files read hold "
                f"batches {min(group.first for group in groups)} to {max(group.last for group in groups)}; "
                "lower run.steps or corpus.tokenized.held_out, or mend first and shards"
            )
        return found

    def _batch(self, batch: int) -> np.ndarray:
        uids, parts = [], []
        for group in self._groups(batch):
            if self.kept is None or self.kept[0] != group:
                self.kept = None
                self.kept = group, self.tables[group.file].rows(group.number, self.width)
            uid, of_batch, tokens = self.kept[1]
            uids.append(uid[of_batch == batch])
            parts.append(tokens[of_batch == batch])
        order = np.argsort(np.concatenate(uids), kind="stable")
        if len(order) != self.batch_size:
            raise UserError(
                f"{self.shards.place}: batch {batch} has {len(order)} rows, not corpus.tokenized.batch_size "
                f"({self.batch_size}); mend that, or fetch the files again"
            )
        return np.concatenate(parts)[order]


def rows_table(
    tokens: np.ndarray, separator: int, label: str, first_row: int, first_document: int
) -> tuple[pa.Table, int]:
    """What rows of a shuffled corpus are made of, in the columns of `mda.corpus.tokens.pack`.

    A separator ends its document, and so does the row: what a row begins with was cut off
    elsewhere, so it is a document of its own, whose `first_token` is unknown and given as 0.

    Args:
        tokens: shape (rows, context + 1).
        label: of all rows, each pure.
        first_row, first_document: numbers of the first row and of the first document in it.

    Returns:
        The table, and the number of documents in it.
    """
    begins = np.empty(tokens.shape, bool)
    begins[:, 0] = True
    np.equal(tokens[:, :-1], separator, out=begins[:, 1:])
    offsets = np.nonzero(begins)[1]
    edges = np.concatenate([[0], np.cumsum(begins.sum(axis=1))]).astype(np.int32)
    documents = first_document + np.arange(len(offsets))
    rows = len(tokens)
    table = pa.table(
        {
            "row": first_row + np.arange(rows),
            "label": pa.repeat(label, rows),
            "purity": np.ones(rows),
            "documents": pa.ListArray.from_arrays(edges, documents),
            "offsets": pa.ListArray.from_arrays(edges, offsets),
            "first_token": np.zeros(rows, dtype=np.int64),
        }
    )
    return table, len(documents)
