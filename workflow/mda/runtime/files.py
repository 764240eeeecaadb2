"""Read and write results: a file is whole or absent, and says what made it.

Every writer goes through `whole`, which writes beside the destination, syncs and renames,
so that a kill or a full disk never leaves a half-written file under a result's name.
"""

from __future__ import annotations

import hashlib
import html
import itertools
import json
import logging
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mda.runtime import locks
from mda.runtime.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

log = logging.getLogger(__name__)

# What made the results of this process: step, parameters, package versions, input hashes.
# Set once by `mda.runtime.cli`; a library user may leave it empty.
_made_by: dict[str, Any] = {}

# Larger inputs are named by size and ends: hashing them would cost more than many a step.
HASHED_BYTES = 256 * 2**20

STALE_SECONDS = 24 * 3600


def set_made_by(record: dict[str, Any]) -> None:
    """Declare what the results written from now on are made by."""
    _made_by.clear()
    _made_by.update(record)


def made_by() -> str:
    """What made the current results, as one line of JSON."""
    return json.dumps(_made_by, sort_keys=True)


def members(folder: Path) -> list[Path]:
    """A folder's files, sorted; hidden ones are of other programs: Snakemake's date, a download's locks."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place) / name for name in names if not name.startswith(".")]
    return sorted(path for path in found if path.is_file())


def digest(path: Path) -> str:
    """SHA-256 of a file, or of a folder's files and names in order."""
    state = hashlib.sha256()
    for file in members(path) if path.is_dir() else [path]:
        if path.is_dir():
            state.update(os.fsencode(file.relative_to(path)))
        with file.open("rb") as stream:
            for block in iter(lambda: stream.read(2**20), b""):
                state.update(block)
    return state.hexdigest()


def describe(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of an input; beyond `HASHED_BYTES` that of its files' ends."""
    files = members(path) if path.is_dir() else [path]
    size = sum(file.stat().st_size for file in files)
    if size > HASHED_BYTES:
        return {"bytes": size, "sha256_of_ends": _digest_of_ends(files)}
    return {"bytes": size, "sha256": digest(path)}


def _digest_of_ends(files: list[Path]) -> str:
    state = hashlib.sha256()
    for file in sorted(files):
        with file.open("rb") as stream:
            state.update(stream.read(2**20))
            stream.seek(max(0, file.stat().st_size - 2**20))
            state.update(stream.read(2**20))
    return state.hexdigest()


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success it becomes `path`, else it is removed.

    Works for files and folders. A folder that exists is replaced. What a killed process left
    beside `path` more than `STALE_SECONDS` ago goes away too.

    Raises:
        UserError: when the disk is full or the place cannot be written.
    """
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        _sync(part)
        if path.is_dir():
            shutil.rmtree(path)
        os.replace(part, path)
        _remove_stale(path)
    except Exception as error:
        reason = _unwritable(error)
        if reason is None:
            raise
        raise UserError(
            f"{path}: cannot be written ({reason}); free the disk or mend the folder's permissions, "
            "then run the same command again"
        ) from error
    finally:
        remove(part)


def _remove_stale(path: Path) -> None:
    for part in path.parent.glob(f".{path.name}.*.part"):
        # A younger one may belong to a process that is still writing.
        if time.time() - part.stat().st_mtime > STALE_SECONDS:
            remove(part)


def remove(part: Path) -> None:
    """Remove a file or folder, if it is there."""
    if part.is_dir():
        shutil.rmtree(part, ignore_errors=True)
    else:
        part.unlink(missing_ok=True)


def _unwritable(error: Exception) -> str | None:
    """What the system said when a write failed, or None for another error."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    # safetensors wraps the system's error in a class of its own.
    return str(error) if "os error" in str(error).lower() else None


def _sync(part: Path) -> None:
    for file in sorted(part.rglob("*")) if part.is_dir() else [part]:
        if file.is_file():
            descriptor = os.open(file, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.aside")


def set_aside(outputs: Sequence[Path]) -> None:
    """Keep the results of a job that is going to be started again, if all of them are there."""
    if outputs and all(path.exists() for path in outputs):
        for path in outputs:
            remove(_aside(path))
            path.replace(_aside(path))


def take_up(outputs: Sequence[Path]) -> bool:
    """Make what was set aside the results, if the same made it; else remove it.

    Returns:
        Whether that is done, and nothing is left to compute.
    """
    kept = [_aside(path) for path in outputs]
    told = [made_by_of(path) for path in kept] if kept and all(path.exists() for path in kept) else []
    same = any(told) and all(record in (None, made_by()) for record in told)
    for path, part in zip(outputs, kept, strict=True):
        if same:
            # Younger than the inputs, which may have been made again, of the same content.
            os.utime(part)
            part.replace(path)
        else:
            remove(part)
    return same


def made_by_of(path: Path) -> str | None:
    """What a result says of what made it, as `made_by` gives it; None of formats that do not say."""
    suffix = path.name.removesuffix(".aside").rpartition(".")[2]
    if path.is_dir():
        # A checkpoint.
        record = path / "made_by.json"
        return record.read_text(encoding="utf-8").strip() if record.is_file() else None
    if suffix == "parquet":
        import pyarrow.parquet as pq

        return (pq.read_schema(path).metadata or {}).get(b"made_by", b"").decode() or None
    if suffix == "safetensors":
        from safetensors import safe_open

        with safe_open(path, framework="numpy") as tensors:
            return (tensors.metadata() or {}).get("made_by")
    if suffix == "png":
        from PIL import Image

        with Image.open(path) as image:
            return image.info.get("Description")
    if suffix == "pdf":
        # A literal string of PDF, as matplotlib writes it: with a backslash before these three.
        keywords = re.search(rb"/Keywords \(((?:\\.|[^\\)])*)\)", path.read_bytes(), re.DOTALL)
        return None if keywords is None else re.sub(rb"\\([\\()])", rb"\1", keywords[1]).decode() or None
    if suffix == "html":
        found = re.search(r'<meta name="made_by" content="([^"]*)">', path.read_text(encoding="utf-8"))
        return None if found is None else html.unescape(found[1])
    if suffix == "json":
        told = read_json(path).get("made_by")
        return None if told is None else json.dumps(told, sort_keys=True)
    return None


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other process works in `folder`; the system ends the claim with the process.

    An orphan of a killed workflow may still be training the same run.

    Raises:
        UserError: when nothing can be locked; see `mda.runtime.locks`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        lock = locks.take(folder / ".lock", wait=False)
    except locks.Busy:
        log.info("waiting for another process that works in %s", folder)
        lock = locks.take(folder / ".lock", wait=True)
    with lock.stream:
        if not lock.everywhere:
            log.warning("%s: this file system has no locks; a process of another machine is not seen", folder)
        yield


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text."""
    with whole(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write readable JSON, with what made it under `made_by`."""
    record = {**value, "made_by": _made_by}
    write_text(path, json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read what `write_json` wrote."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as JSON ({error}); delete it and run again") from error


def write_table(path: Path, table: pa.Table | pd.DataFrame | dict[str, Any]) -> None:
    """Write a table as Parquet, with what made it in the schema's metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if isinstance(table, dict):
        table = pa.table(table)
    elif not isinstance(table, pa.Table):
        table = pa.Table.from_pandas(table, preserve_index=False)
    metadata = {**(table.schema.metadata or {}), b"made_by": made_by().encode()}
    with whole(path) as part:
        pq.write_table(table.replace_schema_metadata(metadata), part)


def write_tables(path: Path, tables: Iterator[pa.Table]) -> None:
    """Write tables of one schema as a single Parquet table, a row group each, as they come."""
    import pyarrow.parquet as pq

    with whole(path) as part:
        first = next(tables)
        metadata = {**(first.schema.metadata or {}), b"made_by": made_by().encode()}
        schema = first.schema.with_metadata(metadata)
        with pq.ParquetWriter(part, schema) as writer:
            for table in itertools.chain([first], tables):
                writer.write_table(table.replace_schema_metadata(metadata))


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a Parquet table.

    Raises:
        UserError: when the file is missing, truncated or not Parquet.
    """
    import pyarrow.parquet as pq

    with _parquet(path):
        return pq.read_table(path, columns=columns)


def read_where(path: Path, column: str, value: str, columns: list[str] | None = None) -> pa.Table:
    """Read the lines of a Parquet table that have this value in a column of words; no others are held.

    Raises:
        UserError: when the file is missing, truncated or not Parquet.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with _parquet(path):
        return pq.read_table(path, columns=columns, filters=pc.field(column) == value)


def read_batches_where(path: Path, column: str, value: str, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """The same lines as `read_where`, some at a time and in their order; no piece is empty.

    Raises:
        UserError: as of `read_table`.
    """
    yield from read_batches_in(path, column, [value], columns)


def read_batches_in(
    path: Path, column: str, values: Sequence[str] | Sequence[int], columns: list[str]
) -> Iterator[pa.RecordBatch]:
    """The lines whose column has one of these values, some at a time and in their order; no piece is empty.

    Parts of the file that can have none are not read.

    Raises:
        UserError: as of `read_table`.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    with _parquet(path), open_parquet(path) as table:
        names = [table.schema.column(place).path for place in range(len(table.schema))]
        place = names.index(column)

        def may_have(group: int) -> bool:
            ends = table.metadata.row_group(group).column(place).statistics
            unknown = ends is None or not ends.has_min_max
            return unknown or any(ends.min <= value <= ends.max for value in values)

        groups = [group for group in range(table.num_row_groups) if may_have(group)]
        read = list(dict.fromkeys([column, *columns]))
        for batch in table.iter_batches(row_groups=groups, columns=read):
            wanted = pa.array(values, batch.column(column).type)
            found = batch.filter(pc.is_in(batch.column(column), wanted)).select(columns)
            if found.num_rows:
                yield found


def read_words(path: Path, column: str) -> pa.DictionaryArray:
    """Read a column of words as numbers and a list of the words, which takes less memory.

    Raises:
        UserError: as of `read_table`.
    """
    import pyarrow.parquet as pq

    with _parquet(path):
        found = pq.read_table(path, columns=[column], read_dictionary=[column]).column(column)
    return found.dictionary_encode().unify_dictionaries().combine_chunks()


def columns_of(path: Path) -> list[str]:
    """Names of a Parquet table's columns.

    Raises:
        UserError: as of `read_table`.
    """
    import pyarrow.parquet as pq

    with _parquet(path):
        return pq.read_schema(path).names


def lines_of(path: Path) -> int:
    """Number of lines of a Parquet table.

    Raises:
        UserError: as of `read_table`.
    """
    import pyarrow.parquet as pq

    with _parquet(path):
        return pq.read_metadata(path).num_rows


def words_of(path: Path, column: str) -> list[str]:
    """The values of a column of words, each once, in the order in which they come.

    Raises:
        UserError: as of `read_table`.
    """
    import pyarrow.compute as pc

    found = (pc.unique(batch.column(column)).to_pylist() for batch in read_batches(path, [column]))
    return list(dict.fromkeys(word for words in found for word in words))


def read_batches(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Read a Parquet table some rows at a time, so that memory does not grow with it.

    Raises:
        UserError: when the file is missing, truncated or not Parquet.
    """
    with _parquet(path), open_parquet(path) as table:
        yield from table.iter_batches(columns=columns)


def open_parquet(path: Path) -> pq.ParquetFile:
    """A Parquet table that is read some rows at a time: what was read is not held until the end."""
    import pyarrow.parquet as pq

    # By default all that was read in advance is.
    return pq.ParquetFile(path, pre_buffer=False)


@contextmanager
def _parquet(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(
            f"{path}: cannot be read as Parquet ({str(error).splitlines()[0]}); "
            "delete it and run again to make it anew"
        ) from error


# Columns of words, which may look like numbers ("01") or like nothing ("NA").
WORDS = frozenset(
    {
        "change", "changed", "claim", "comparison", "control", "curvature", "experiment", "file", "finding",
        "head", "intervention", "kind", "label", "method", "metric", "name", "note", "one", "one_units",
        "other", "other_units", "outcome", "outcomes", "published", "removed", "removed_units", "role",
        "rule",
        "runs_of", "selection", "side", "target", "test", "unit", "variant", "verdict",
    }
)  # fmt: skip


def read_csv(path: Path) -> pd.DataFrame:
    """Read a table of words and numbers; what is empty is nan among numbers, and '' among words.

    A table without a line has no columns.
    """
    import pandas as pd

    try:
        columns = pd.read_csv(path, nrows=0).columns
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    words = WORDS.intersection(columns)
    return pd.read_csv(
        path,
        dtype=dict.fromkeys(words, str),
        keep_default_na=False,
        na_values={column: [""] for column in columns if column not in words},
    )


def write_array(path: Path, array: np.ndarray) -> None:
    """Write one array as .npy."""
    import numpy as np

    with whole(path) as part, part.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)


def map_array(path: Path) -> np.ndarray:
    """Memory-map an .npy array.

    Raises:
        UserError: when the file is missing or shorter than its header says.
    """
    import numpy as np

    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(
            f"{path}: is missing, truncated or no NumPy array ({error}); delete it and run again"
        ) from error
