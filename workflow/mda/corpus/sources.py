"""Documents with a text, a source label and an origin, from wherever the user has them."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from mda.config.corpus_sections import Corpus, Files, HuggingFaceData, Synthetic, Table, Tokenized
from mda.corpus import local_files, synthetic, tables
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
        return local_files.documents(chosen)
    if isinstance(chosen, HuggingFaceData):
        return from_huggingface(chosen)
    if isinstance(chosen, Tokenized):
        raise UserError(
            "corpus.source 'tokenized' has batches of tokens and no documents; name another source"
        )
    return tables.documents(corpus)


def fingerprint(corpus: Corpus) -> str:
    """The names and contents of the documents' local files, whatever their dates are."""
    chosen = corpus.chosen
    if isinstance(chosen, Files) and chosen.folder is None:
        # All that is installed is much to read: what the corpus takes of it is enough.
        return digest(local_files.documents(chosen.model_copy(update={"undecodable": "skip"})))[:16]
    if isinstance(chosen, Files):
        paths = [file.path for file in local_files.matching(chosen)]
        root = chosen.folder or Path()
    else:
        paths = chosen.matching(corpus.source) if isinstance(chosen, Table) else []
        root = Path(os.path.commonpath([path.parent for path in paths])) if paths else Path()
    state = hashlib.sha256()
    for path in paths:
        state.update(os.fsencode(f"{os.path.relpath(path, root)}:{external_files.digest(path)}\n"))
    return state.hexdigest()[:16]


def digest(documents: Iterable[Document]) -> str:
    """SHA-256 of the texts of documents, their labels and origins, in their order; of no format of a file."""
    state = hashlib.sha256()
    for document in documents:
        state.update(json.dumps([document.origin, document.label, document.text]).encode() + b"\n")
    return state.hexdigest()


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
