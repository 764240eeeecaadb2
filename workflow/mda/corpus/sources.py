"""Documents with a text, a source label and an origin, from wherever the user has them."""

from __future__ import annotations

import fnmatch
import hashlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from mda.config.corpus_sections import Corpus, Files, HuggingFaceData, Synthetic, Table, Tokenized
from mda.corpus import synthetic, tables
from mda.corpus.document import Document
from mda.corpus.rows import Rows
from mda.runtime import external_files
from mda.runtime.errors import UserError

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
    return tables.documents(corpus)


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
    """The names and contents of the documents' local files, whatever their dates are."""
    chosen = corpus.chosen
    if isinstance(chosen, Files):
        paths = [path for path, _ in matching_files(chosen)]
        root = chosen.folder
    else:
        paths = chosen.matching(corpus.source) if isinstance(chosen, Table) else []
        root = Path(os.path.commonpath([path.parent for path in paths])) if paths else Path()
    state = hashlib.sha256()
    for path in paths:
        state.update(os.fsencode(f"{os.path.relpath(path, root)}:{external_files.digest(path)}\n"))
    return state.hexdigest()[:16]


def from_files(settings: Files) -> Iterator[Document]:
    """Read local files.

    Raises:
        UserError: for a file that is not UTF-8, unless the settings say to skip such.
    """
    matching = matching_files(settings)
    cut, lost, skipped = 0, 0, 0
    for path, label in matching:
        try:
            # Without the mark that some editors put before the text.
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            reason = tables.what_it_is(path) or f"not UTF-8 at byte {error.start}; convert the file"
            if settings.undecodable == "skip":
                log.info("skipped %s: %s", path, reason.partition(";")[0])
                skipped += 1
                continue
            raise UserError(
                f"{path}: {reason}, leave it out with corpus.files.exclude, or set corpus.files.undecodable "
                "to skip"
            ) from None
        if len(text) > settings.max_characters:
            cut, lost = cut + 1, lost + len(text) - settings.max_characters
        # A name that is not UTF-8 is no text.
        origin = os.fsencode(path.relative_to(settings.folder)).decode("utf-8", "backslashreplace")
        yield Document(text=text[: settings.max_characters], label=label, origin=origin)
    log.info(
        "%d files; %d skipped as no UTF-8; %d cut at %d characters, which leaves out %d",
        *(len(matching), skipped, cut, settings.max_characters, lost),
    )


def from_huggingface(settings: HuggingFaceData) -> Iterator[Document]:
    """Stream documents from the hub at a pinned revision.

    Raises:
        UserError: when it cannot be read, or a row has no text, unless the settings say to skip such.
    """
    import datasets

    rows, read = Rows(settings, "corpus.huggingface"), 0
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
            read += 1
            document = rows.document(record, origin, origin)
            if document is not None:
                yield document
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise UserError(
            f"corpus.huggingface: {settings.repository} at {settings.revision} cannot be read "
            f"({str(error).splitlines()[0]}); check the name, the revision and the network"
        ) from error
    if read < settings.documents:
        log.info(
            "%s has only %d of the %d documents asked for", settings.repository, read, settings.documents
        )
    rows.finish()
