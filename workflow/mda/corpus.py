"""Documents with a text, a source label and an origin, from wherever the user has them."""

from __future__ import annotations

import fnmatch
import json
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from mda import synthetic
from mda.config import Corpus, Files, HuggingFaceData, Synthetic, Table
from mda.document import Document
from mda.errors import UserError


def documents(corpus: Corpus) -> Iterator[Document]:
    """Read the documents of the source that the configuration chose, in a fixed order."""
    chosen = corpus.chosen
    if isinstance(chosen, Synthetic):
        return synthetic.documents(chosen)
    if isinstance(chosen, Files):
        return from_files(chosen)
    if isinstance(chosen, HuggingFaceData):
        return from_huggingface(chosen)
    return from_jsonl(chosen) if corpus.source == "jsonl" else from_parquet(chosen)


def from_files(settings: Files) -> Iterator[Document]:
    """Read local files; the first pattern that matches a file gives its label.

    The root `python-stdlib` is the standard library of the running interpreter: real text
    that every machine has.

    Raises:
        UserError: for a folder that is not there and a file that is not UTF-8.
    """
    stdlib = settings.root == "python-stdlib"
    root = Path(sysconfig.get_paths()["stdlib"]) if stdlib else Path(settings.root)
    if not root.is_dir():
        raise UserError(f"corpus.files.root: the folder {root} does not exist")
    labels: dict[Path, str] = {}
    for pattern in settings.patterns:
        for path in root.glob(pattern.glob):
            labels.setdefault(path, pattern.label)
    for path in sorted(labels):
        name = path.relative_to(root).as_posix()
        if not path.is_file() or any(fnmatch.fnmatch(name, pattern) for pattern in settings.exclude):
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise UserError(
                f"{path}: not UTF-8 at byte {error.start}; convert the file, or leave it out "
                "with corpus.files.exclude"
            ) from None
        yield Document(text=text[: settings.max_characters], label=labels[path], origin=name)


def from_jsonl(settings: Table) -> Iterator[Document]:
    """Read one JSON object a line."""
    path = Path(settings.path)
    if not path.is_file():
        raise UserError(f"corpus.table.path: the file {path} does not exist")
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


def _record(record: dict[str, object], text: str, label: str | None, origin: str) -> Document:
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
