"""Local text files as documents: which there are, which of them count, and in what order they are read."""

from __future__ import annotations

import fnmatch
import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from mda.config.corpus_sections import Files
from mda.corpus import python_environment
from mda.corpus.document import Document
from mda.runtime import file_kinds, files
from mda.runtime.errors import UserError

log = logging.getLogger(__name__)

# It is text, but none of the user's.
POINTER = file_kinds.POINTER.decode()


class LocalFile(NamedTuple):
    """A file, the label of the first pattern that matches it, and its name below the root, with slashes."""

    path: Path
    label: str
    origin: str


def matching(settings: Files) -> list[LocalFile]:
    """The files that the patterns match and none of `exclude` does, sorted."""
    root = settings.folder
    named: Iterable[tuple[str, Path, str]]
    if root is None:
        named = python_environment.labelled(settings.patterns)
    else:
        labels: dict[Path, str] = {}
        for pattern in settings.patterns:
            for path in root.glob(pattern.glob):
                labels.setdefault(path, pattern.label)
        named = ((path.relative_to(root).as_posix(), path, labels[path]) for path in sorted(labels))
    return [
        # A name that is not UTF-8 is no text.
        LocalFile(path, label, files.as_text(name))
        for name, path, label in named
        if not any(fnmatch.fnmatch(name, glob) for glob in settings.exclude) and path.is_file()
    ]


def documents(settings: Files) -> Iterator[Document]:
    """Read the files, sorted by name; or some that a seed draws, in the order in which it draws them.

    A draw depends on a file's name and the seed alone, so that a file more or less elsewhere changes little.
    No more than a file is held at once, and of each text a hash of 16 bytes.

    Raises:
        UserError: for a file that is not UTF-8, unless the settings say to skip such.
    """
    found = matching(settings)
    if settings.documents is not None:
        found.sort(key=lambda file: hashlib.sha256(f"{settings.seed}:{file.origin}".encode()).digest())
    counts: Counter[str] = Counter()
    seen: set[bytes] = set()
    for file in found:
        if counts["given"] == settings.documents:
            break
        counts["read"] += 1
        whole = _text(file.path, settings)
        text = (whole or "")[: settings.max_characters]
        same = hashlib.sha256(text.encode()).digest()[:16] if settings.drop_duplicates else b""
        if whole is None:
            counts["undecodable"] += 1
        elif settings.min_characters > 1 and len(text.strip()) < settings.min_characters:
            counts["short"] += 1
        elif same in seen:
            counts["duplicates"] += 1
        else:
            if settings.drop_duplicates:
                seen.add(same)
            counts["given"] += 1
            counts["cut"] += len(whole) > len(text)
            counts["lost"] += len(whole) - len(text)
            yield Document(text=text, label=file.label, origin=file.origin)
    _report(counts, len(found), settings)


def _text(path: Path, settings: Files) -> str | None:
    """A file's text; None of one that is to be skipped."""
    try:
        # Without the mark that some editors put before the text.
        text = path.read_text(encoding="utf-8-sig")
        reason = file_kinds.of_another_kind(path) if text.startswith(POINTER) else None
        if reason is None:
            return text
    except UnicodeDecodeError as error:
        reason = file_kinds.no_text(path) or f"not UTF-8 at byte {error.start}; convert the file"
    if settings.undecodable == "skip":
        log.info("skipped %s: %s", path, reason.partition(";")[0])
        return None
    raise UserError(
        f"{path}: {reason}, leave it out with corpus.files.exclude, or set corpus.files.undecodable to skip"
    )


def _report(counts: Counter[str], found: int, settings: Files) -> None:
    log.info(
        "%d files; %d skipped as no UTF-8; %d cut at %d characters, which leaves out %d",
        *(counts["read"], counts["undecodable"], counts["cut"], settings.max_characters, counts["lost"]),
    )
    log.info(
        "of %d files that match; %d shorter than %d characters left out; %d exact duplicates left out",
        *(found, counts["short"], settings.min_characters, counts["duplicates"]),
    )
    if settings.documents is not None and counts["given"] < settings.documents:
        log.info("these are only %d of the %d documents asked for", counts["given"], settings.documents)
