"""Rows of JSON lines, of Parquet files, and of folders that the `datasets` library saved."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import logging
import lzma
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from mda.config.corpus_sections import Corpus, Table
from mda.corpus.document import Document
from mda.corpus.rows import Rows, Unreadable, half_character
from mda.runtime import file_kinds, files, parquet
from mda.runtime.errors import UserError

log = logging.getLogger(__name__)

# Rows that are read at once.
TOGETHER = 1024


def documents(corpus: Corpus) -> Iterator[Document]:
    """The documents of the configured table: of its files in order of their names.

    Raises:
        UserError: for a file or a row that cannot be read, with its place.
    """
    settings = corpus.chosen
    assert isinstance(settings, Table)
    read, folder = settings.matching(corpus.source), Path(settings.path)
    others = sum(file.is_file() for file in folder.rglob("*")) - len(read) if folder.is_dir() else 0
    log.info("%d files of %s are read; %d others in the folder are not", len(read), folder, others)
    rows = Rows(settings, "corpus.table")
    for place, origin, record in _READERS[corpus.source](settings, rows.skipped):
        document = rows.document(record, place, origin)
        if document is not None:
            yield document
    rows.finish()


def _names(paths: list[Path]) -> list[tuple[Path, str]]:
    """The files, each with the shortest name that tells it from the others."""
    folder = Path(os.path.commonpath([path.parent for path in paths]))
    # A name that is not UTF-8 is no text.
    return [(path, files.as_text(path.relative_to(folder).as_posix())) for path in paths]


def _of_json_lines(settings: Table, skipped: Counter[str]) -> Iterator[tuple[str, str, object]]:
    for path, name in _names(settings.matching("jsonl")):
        for number, line in _numbered(path):
            if not line.strip():
                skipped["blank lines"] += 1
                continue
            yield f"{path}: line {number}", f"{name}:{number}", _parsed(line, f"{path}: line {number}")


def json_objects(path: Path) -> Iterator[tuple[str, object]]:
    """The values of a file of JSON lines, which may be compressed, each with its place; no blank lines.

    Raises:
        UserError: for a file or a line that cannot be read.
    """
    for number, line in _numbered(path):
        if line.strip():
            place = f"{path}: line {number}"
            found = _parsed(line, place)
            if isinstance(found, Unreadable):
                raise UserError(f"{place} {found}; write it as UTF-8")
            half = half_character(found)
            if half is not None:
                raise UserError(f"{place} {half}; write all of it")
            yield place, found


def _numbered(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file, from 1 on, without a byte order mark."""
    with _opened(path) as stream:
        for number, line in enumerate(_lines(stream, path), start=1):
            yield number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line


def _parsed(line: bytes, place: str) -> object:
    try:
        return json.loads(line.decode("utf-8"), object_pairs_hook=_once)
    except UnicodeDecodeError as error:
        return Unreadable(f"is not UTF-8 at byte {error.start}")
    except (ValueError, RecursionError) as error:
        hint = "write one JSON object a line"
        if b"\0" in line:
            hint = "it has bytes of 0, as UTF-16 and archives have: write UTF-8 text, one JSON object a line"
        elif line.strip() in (b"[", b"{") or line.lstrip()[:1] == b"[":
            hint = "this looks like JSON over several lines: " + hint
        raise UserError(f"{place} is not JSON ({error}); {hint}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # JSON readers take the last of several, and the others would be lost.
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, number in Counter(key for key, _ in pairs).items() if number > 1)
        raise ValueError(f"the key '{twice}' twice in an object")
    return found


_OPENED: dict[bytes, Callable[[Path], Any]] = {
    file_kinds.GZIP: gzip.open,
    file_kinds.BZIP2: bz2.open,
    file_kinds.XZ: lzma.open,
    file_kinds.ZSTANDARD: lambda path: _zstd(path),
}


def _opened(path: Path) -> IO[bytes]:
    """The file's bytes, unpacked, whatever its name says."""
    what = file_kinds.of_another_kind(path, parquet="set corpus.source to parquet")
    if what is not None:
        raise UserError(f"{path} {what}")
    start = file_kinds.start(path)
    opened = next((opened for magic, opened in _OPENED.items() if start.startswith(magic)), None)
    return path.open("rb") if opened is None else opened(path)


def _zstd(path: Path) -> IO[bytes]:
    import pyarrow as pa

    return io.BufferedReader(pa.CompressedInputStream(pa.OSFile(str(path)), "zstd"))


def _lines(stream: IO[bytes], path: Path) -> Iterator[bytes]:
    try:
        yield from stream
    except (EOFError, OSError, lzma.LZMAError) as error:
        raise UserError(f"{path}: cannot be unpacked to its end ({error}); copy or make it again") from None


def _of_parquet(settings: Table, skipped: Counter[str]) -> Iterator[tuple[str, str, object]]:
    import pyarrow as pa

    for path, name in _names(settings.matching("parquet")):
        number = 0
        try:
            with parquet.opened(path) as file:
                wanted = _top_columns(settings, file.schema_arrow.names)
                for batch in file.iter_batches(TOGETHER, columns=wanted):
                    for record in _records(batch):
                        yield f"{path}: row {number}", f"{name}:{number}", record
                        number += 1
        except (OSError, pa.ArrowInvalid) as error:
            raise UserError(
                f"corpus.table.path: {path} cannot be read as Parquet ({str(error).splitlines()[0]}); name "
                "Parquet files, or make it again"
            ) from None


def _of_saved(settings: Table, skipped: Counter[str]) -> Iterator[tuple[str, str, object]]:
    """Of a folder of `Dataset.save_to_disk`; no network, and no feature is decoded."""
    import datasets

    path = Path(settings.path)
    try:
        saved = datasets.load_from_disk(str(path))
        wanted = _top_columns(settings, saved.column_names)
        batches = saved.select_columns(wanted).with_format("arrow").iter(TOGETHER)
        number = 0
        for table in batches:
            for record in _records(table):
                yield f"{path}: row {number}", f"{path.name}:{number}", record
                number += 1
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"corpus.table.path: {path} cannot be read as a folder that datasets saved "
            f"({str(error).splitlines()[0]}); save it again, or write it as Parquet"
        ) from None


def _top_columns(settings: Table, names: list[str]) -> list[str]:
    """The table's columns that hold what is asked for; all, where one is missing, to be named."""
    asked = [name for name in (settings.text, settings.label, *settings.columns) if name is not None]
    found = [name if name in names else name.split(".")[0] for name in asked]
    for name in found:
        if names.count(name) > 1:
            raise UserError(
                f"corpus.table.path: {settings.path} has two columns '{name}'; rename one of them"
            )
    return list(dict.fromkeys(found)) if set(found) <= set(names) else names


def _records(batch: Any) -> Iterator[object]:
    """Rows of an Arrow table or batch; those with wrong UTF-8 as `Unreadable`."""
    try:
        yield from batch.to_pylist()
        return
    except UnicodeDecodeError:
        pass
    for number in range(batch.num_rows):
        try:
            yield from batch.slice(number, 1).to_pylist()
        except UnicodeDecodeError as error:
            yield Unreadable(f"is not UTF-8 at byte {error.start} of a column")


_READERS = {"jsonl": _of_json_lines, "parquet": _of_parquet, "datasets": _of_saved}
