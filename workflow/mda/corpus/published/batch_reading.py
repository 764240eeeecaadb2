"""Fetch the planned batches in order, with read-ahead, and write them into the token stores."""

from __future__ import annotations

import logging
import shutil
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from mda.corpus.published.batch_ledger import TOKEN, Batch, Entry, Ledger, digest
from mda.corpus.published.run_batches import Batches, rows_table
from mda.runtime import parquet
from mda.runtime.errors import UserError

log = logging.getLogger(__name__)

# Bytes of one request to the source.
REQUEST_BYTES = 64 * 2**20
# Batches that are looked at together when the stores are full.
TOGETHER = 16
# Room for a row's line in the tables.
LINE_BYTES = 100
REPORT_SECONDS = 15

LEDGER = pa.schema(
    {
        "batch": pa.int64(),
        "split": pa.string(),
        "rows": pa.int64(),
        "files": pa.list_(pa.string()),
        "first_byte": pa.int64(),
        "sha256": pa.string(),
        "minimum": pa.int64(),
        "maximum": pa.int64(),
        "separators": pa.int64(),
    }
)


class Alphabet(NamedTuple):
    """What a tokenizer's tokens are: 0 to `size` - 1, of which `separator` ends a document."""

    size: int
    separator: int


def check_disk(folder: Path, outputs: list[Path], wanted: list[Batch], width: int) -> None:
    """Say how much disk the stores need and how much is free.

    Args:
        folder: where they are written; what an earlier run left there counts as had.
        outputs: where they go when they are finished.

    Raises:
        UserError: when there is not enough, or the outputs are not on that disk.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in outputs:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.parent.stat().st_dev != folder.stat().st_dev:
            raise UserError(
                f"{path.parent} and {folder.parent} are on different disks, but stores are moved from one to "
                "the other; put the whole folder of results on one disk"
            )
    rows = sum(batch.rows for batch in wanted)
    had = sum(512 * path.stat().st_blocks for path in folder.glob("*.npy.part"))
    needed = max(0, rows * (width * TOKEN.itemsize + LINE_BYTES) - had)
    free = shutil.disk_usage(folder).free
    log.info(
        "%d batches, %d rows: %s of disk are needed, %s of an earlier run are there, %s are free",
        len(wanted),
        rows,
        _gigabytes(needed),
        _gigabytes(had),
        _gigabytes(free),
    )
    if needed > free:
        others = [path for path in folder.parent.iterdir() if path.is_dir() and path != folder]
        left = f" (such as {others[0]}, of a run with other settings)" if others else ""
        raise UserError(
            f"{folder}: the token stores need {_gigabytes(needed)} more, but only {_gigabytes(free)} of the "
            f"disk are free; free some{left}, or lower run.steps or run.batch_size"
        )


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.3g} GB"


def receive(ledger: Ledger, batches: Batches, batch_size: int, alphabet: Alphabet) -> None:
    """Read what the ledger does not have yet, and enter it batch by batch.

    Raises:
        UserError: for a token that the tokenizer does not have, and what the source raises.
    """
    waiting = ledger.batches[len(ledger.entries) :]
    if ledger.entries and waiting:
        log.info("going on after %d whole batches of an earlier run", len(ledger.entries))
    at_once = max(1, REQUEST_BYTES // (batch_size * ledger.width * TOKEN.itemsize))
    began = reported = time.monotonic()
    done = 0
    for part, rows in _ahead(batches, _parts(waiting, at_once), batch_size):
        for batch in part:
            content = rows[batch.row - part[0].row :][: batch.rows]
            ledger.add(batch, content, _entry(batch, content, batches, batch_size, alphabet))
        done += len(part)
        now = time.monotonic()
        if now - reported >= REPORT_SECONDS or done == len(waiting):
            reported = now
            _report(ledger, waiting, done, batch_size, now - began)


def _parts(waiting: list[Batch], size: int) -> Iterator[list[Batch]]:
    """Neighbouring batches of one split, as many as are read at once."""
    for split in dict.fromkeys(batch.split for batch in waiting):
        batches = [batch for batch in waiting if batch.split == split]
        for begin in range(0, len(batches), size):
            yield batches[begin : begin + size]


def _ahead(
    batches: Batches, parts: Iterator[list[Batch]], batch_size: int
) -> Iterator[tuple[list[Batch], np.ndarray]]:
    """The parts with their rows, in order; while one is worked on, the next are being read."""
    running: deque[tuple[list[Batch], Future[np.ndarray]]] = deque()
    with ThreadPoolExecutor(batches.threads) as pool:
        try:
            for part in parts:
                first, last = part[0], part[-1]
                span = first.number * batch_size, last.number * batch_size + last.rows
                running.append((part, pool.submit(batches.read, *span)))
                if len(running) > batches.threads:
                    part, rows = running.popleft()
                    yield part, rows.result()
            while running:
                part, rows = running.popleft()
                yield part, rows.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _entry(batch: Batch, content: np.ndarray, batches: Batches, batch_size: int, alphabet: Alphabet) -> Entry:
    begin = batch.number * batch_size
    names, first_byte = batches.origin(begin, begin + batch.rows)
    maximum = int(content.max())
    if maximum >= alphabet.size:
        raise UserError(
            f"corpus.tokenized: batch {batch.number} ({', '.join(names)}) has token {maximum}, but the "
            f"tokenizer has only {alphabet.size}: it is not that of this corpus; mend tokens.tokenizer"
        )
    return Entry(
        batch=batch.number,
        split=batch.split,
        rows=batch.rows,
        files=names,
        first_byte=first_byte,
        sha256=digest(content),
        minimum=int(content.min()),
        maximum=maximum,
        separators=int(np.count_nonzero(content == alphabet.separator)),
    )


def _report(ledger: Ledger, waiting: list[Batch], done: int, batch_size: int, seconds: float) -> None:
    rate = done * batch_size * ledger.width * TOKEN.itemsize / max(seconds, 1e-9)
    log.info(
        "batches: %d of %d, %.1f MB/s, about %d s left",
        len(ledger.entries),
        len(ledger.batches),
        rate / 1e6,
        round(seconds / done * (len(waiting) - done)),
    )


def describe(
    ledger: Ledger, label: str, alphabet: Alphabet, rows_of: dict[str, Path], out_batches: Path
) -> None:
    """Read the full stores once more: check every batch, and write the tables of rows and of batches.

    Args:
        label: of all rows.
        rows_of: the path of each split's table of rows.

    Raises:
        UserError: when a batch on disk is not what was received.
    """
    if not any(entry.separators for entry in ledger.entries):
        log.warning(
            "warning: no row has the token %d that ends a document, so every row counts as one document; "
            "the published deduplicated Pile is known for it (EleutherAI/pythia, issue 175)",
            alphabet.separator,
        )
    documents = 0

    def tables(split: str) -> Iterator[pa.Table]:
        nonlocal documents
        row = 0
        for part in ledger.verified(split, TOGETHER):
            table, found = rows_table(part, alphabet.separator, label, row, documents)
            row, documents = row + len(part), documents + found
            yield table

    for split, path in rows_of.items():
        parquet.write_tables(path, tables(split))
    parquet.write_table(out_batches, pa.Table.from_pylist([vars(entry) for entry in ledger.entries], LEDGER))
