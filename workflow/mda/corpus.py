"""Documents with a text, a source label and an origin, from wherever the user has them."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from mda import files, synthetic
from mda.document import Document
from mda.errors import UserError
from mda.sources import Corpus, Files, HuggingFaceData, Synthetic, Table, Tokenized

log = logging.getLogger(__name__)


def documents(corpus: Corpus) -> Iterator[Document]:
    """Read the documents of the source that the configuration chose, in a fixed order."""
    chosen = corpus.chosen
    if isinstance(chosen, Synthetic):
        return synthetic.documents(chosen)
    if isinstance(chosen, Files):
        return from_files(chosen)
    if isinstance(chosen, HuggingFaceData):
        return from_huggingface(chosen)
    if isinstance(chosen, Tokenized):
        raise UserError(
            "corpus.source 'tokenized' has batches of tokens and no documents; name another source"
        )
    return from_jsonl(chosen) if corpus.source == "jsonl" else from_parquet(chosen)


def matching_files(settings: Files) -> list[tuple[Path, str]]:
    """The files that the patterns match, sorted, each with the label of the first that does."""
    root = settings.folder
    labels: dict[Path, str] = {}
    for pattern in settings.patterns:
        for path in root.glob(pattern.glob):
            labels.setdefault(path, pattern.label)
    return [
        (path, labels[path])
        for path in sorted(labels)
        if path.is_file()
        and not any(fnmatch.fnmatch(path.relative_to(root).as_posix(), glob) for glob in settings.exclude)
    ]


def fingerprint(corpus: Corpus) -> str:
    """What the local files of a corpus hold, so that an edited file is noticed.

    Names, sizes and contents; beyond `HASHED_BYTES` in all, modification times for contents.
    """
    chosen = corpus.chosen
    if isinstance(chosen, Files):
        paths = [path for path, _ in matching_files(chosen)]
        root = chosen.folder
    elif isinstance(chosen, Tokenized):
        root = chosen.local or Path()
        paths = [root / name for name in chosen.names] if chosen.local is not None else []
    else:
        paths = [Path(chosen.path)] if isinstance(chosen, Table) else []
        root = Path()
    small = sum(path.stat().st_size for path in paths) <= files.HASHED_BYTES
    state = hashlib.sha256()
    for path in paths:
        content = files.digest(path) if small else str(path.stat().st_mtime_ns)
        state.update(os.fsencode(f"{os.path.relpath(path, root)}:{path.stat().st_size}:{content}\n"))
    return state.hexdigest()[:16]


def from_files(settings: Files) -> Iterator[Document]:
    """Read local files.

    Raises:
        UserError: for a file that is not UTF-8, unless the settings say to skip such.
    """
    for path, label in matching_files(settings):
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            if settings.undecodable == "skip":
                log.info("skipped %s: not UTF-8 at byte %d", path, error.start)
                continue
            raise UserError(
                f"{path}: not UTF-8 at byte {error.start}; convert the file, leave it out with "
                "corpus.files.exclude, or set corpus.files.undecodable to skip"
            ) from None
        # A name that is not UTF-8 is no text.
        origin = os.fsencode(path.relative_to(settings.folder)).decode("utf-8", "backslashreplace")
        yield Document(text=text[: settings.max_characters], label=label, origin=origin)


def from_jsonl(settings: Table) -> Iterator[Document]:
    """Read one JSON object a line."""
    path = Path(settings.path)
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                record = json.loads(line.decode("utf-8"))
            except UnicodeDecodeError:
                raise UserError(f"{path}: line {number} is not UTF-8; convert the file") from None
            except ValueError as error:
                raise UserError(f"{path}: line {number} is not JSON ({error})") from None
            yield _record(record, settings.text, settings.label, f"{path.name}:{number}")


def from_parquet(settings: Table) -> Iterator[Document]:
    """Read the rows of a Parquet file in batches."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path, number = Path(settings.path), 0
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"corpus.table.path: {path} cannot be read as Parquet ({error})") from None
    for batch in file.iter_batches(batch_size=1024):
        for record in batch.to_pylist():
            yield _record(record, settings.text, settings.label, f"{path.name}:{number}")
            number += 1


def from_huggingface(settings: HuggingFaceData) -> Iterator[Document]:
    """Stream documents from the hub at a pinned revision."""
    import datasets

    try:
        stream = datasets.load_dataset(
            settings.repository,
            settings.subset,
            split=settings.split,
            revision=settings.revision,
            streaming=True,
        )
        for number, record in enumerate(stream.take(settings.documents)):
            origin = f"{settings.repository}@{settings.revision}:{number}"
            yield _record(record, settings.text, settings.label, origin)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise UserError(
            f"corpus.huggingface: {settings.repository} at {settings.revision} cannot be read "
            f"({str(error).splitlines()[0]}); check the name, the revision and the network"
        ) from error


def _record(record: object, text: str, label: str | None, origin: str) -> Document:
    if not isinstance(record, dict):
        raise UserError(f'{origin}: is no object with columns; write lines such as {{"text": ...}}')
    for column in (text, label):
        if column is not None and column not in record:
            raise UserError(
                f"{origin}: has no column '{column}', only {', '.join(map(str, record))}; "
                "mend the column's name in the corpus section"
            )
    if not isinstance(record[text], str):
        raise UserError(f"{origin}: column '{text}' is no text; name another column")
    kind = "all" if label is None else str(record[label])
    return Document(text=str(record[text]), label=kind, origin=origin)
