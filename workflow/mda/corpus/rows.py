"""Turn rows of tables into documents, and decide what happens to rows without a text."""

from __future__ import annotations

import json
import logging
import math
from collections import Counter
from typing import Any

from mda.config.corpus_sections import HuggingFaceData, Table
from mda.corpus.document import Document
from mda.runtime.errors import UserError

log = logging.getLogger(__name__)

ABSENT = object()


class Unreadable(str):
    """In place of a row that cannot be read: the reason."""


def half_character(found: Any) -> str | None:
    """That a value from JSON has half of a character in a text, as `\\ud800` is; None where all are whole."""
    text = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False, default=str)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        place = f", at character {error.start}" if isinstance(found, str) else ""
        return f"has half of a character, \\u{ord(text[error.start]):x}{place}"
    return None


def value(record: dict[str, Any], column: str) -> Any:
    """What a row has in a column, or `ABSENT`; `a.b` is b inside a, unless a column has this very name."""
    if column in record:
        return record[column]
    found: Any = record
    for key in column.split("."):
        if not isinstance(found, dict) or key not in found:
            return ABSENT
        found = found[key]
    return found


class Rows:
    """Makes documents of rows, and counts those that it skips.

    Args:
        settings: the columns, and the choice for what is missing.
        section: the settings' name in the configuration.
    """

    def __init__(self, settings: Table | HuggingFaceData, section: str) -> None:
        self.settings, self.section = settings, section
        self.documents = 0
        self.skipped: Counter[str] = Counter()
        self._seen: set[str] = set()
        # Of each column the first row that does not have it.
        self._without: dict[str, str] = {}

    def document(self, record: object, place: str, origin: str) -> Document | None:
        """The document of a row; None for one that is skipped.

        Args:
            record: the row, a dictionary, or `Unreadable`.
            place: file and row, for errors.
            origin: the same, for the table of documents.

        Raises:
            UserError: for a row that has no text or label, unless the settings say to skip such; and for one
                whose text is no text.
        """
        if isinstance(record, Unreadable):
            return self._skip(place, "cannot be read", record)
        if not isinstance(record, dict):
            raise UserError(f'{place} is no object with columns; write lines such as {{"text": ...}}')
        text = self._text(record, place)
        if text is None:
            return None
        label = self._label(record, place)
        if label is None:
            return None
        own = {column: self._own(record, column, place) for column in self.settings.columns}
        half = half_character(text) or half_character(label) or half_character(own)
        if half is not None:
            return self._skip(place, "with half of a character", half)
        self.documents += 1
        return Document(text=text, label=label, origin=origin, own=own)

    def _own(self, record: dict[str, Any], column: str, place: str) -> Any:
        found = value(record, column)
        if found is ABSENT:
            self._without.setdefault(column, f"{place} has only {', '.join(map(str, record))}")
            return None
        self._seen.add(column)
        # Other bytes are to stay other texts.
        return found.decode("utf-8", "backslashreplace") if isinstance(found, bytes) else found

    def _text(self, record: dict[str, Any], place: str) -> str | None:
        column = self.settings.text
        found = self._find(record, column, place)
        if found is not None and not isinstance(found, str):
            raise UserError(
                f"{place}: column '{column}' is no text but {str(found)[:40]!r}; name another column"
            )
        return found

    def _label(self, record: dict[str, Any], place: str) -> str | None:
        column = self.settings.label
        if column is None:
            return "all"
        found = self._find(record, column, place, self.settings.missing_label)
        if isinstance(found, (dict, list)):
            raise UserError(f"{place}: column '{column}' is no label but {str(found)[:40]!r}; name another")
        return None if found is None else str(found)

    def _find(self, record: dict[str, Any], column: str, place: str, instead: str | None = None) -> Any:
        found = value(record, column)
        if found is not ABSENT:
            self._seen.add(column)
        if found is not ABSENT and not (found is None or (isinstance(found, float) and math.isnan(found))):
            return self._decoded(found, column, place) if isinstance(found, bytes) else found
        if instead is not None:
            self._without.setdefault(column, f"{place} has only {', '.join(map(str, record))}")
            return instead
        if found is ABSENT:
            reason = f"has no column '{column}', only {', '.join(map(str, record)) or 'none'}"
        else:
            reason = f"has nothing in column '{column}'"
        self._without.setdefault(column, f"{place} {reason}")
        self._skip(place, f"without '{column}'", reason)
        return None

    def _decoded(self, found: bytes, column: str, place: str) -> str | None:
        # Parquet by Spark has texts as bytes.
        try:
            return found.decode("utf-8")
        except UnicodeDecodeError as error:
            return self._skip(place, "not UTF-8", f"is not UTF-8 in column '{column}', byte {error.start}")

    def _skip(self, place: str, kind: str, reason: str) -> Any:
        if self.settings.missing == "error":
            raise UserError(
                f"{place} {reason}; mend it or the column's name, or set {self.section}.missing to skip, "
                "which leaves such rows out"
            )
        self.skipped[kind] += 1
        return None

    def finish(self) -> None:
        """Log what was skipped.

        Raises:
            UserError: when no row at all has one of the columns.
        """
        asked = [("text", self.settings.text), ("label", self.settings.label)]
        for key, column in [*asked, *(("columns", name) for name in self.settings.columns)]:
            if column in self._without and column not in self._seen:
                raise UserError(
                    f"{self.section}.{key}: no row has a column '{column}': {self._without[column]}; mend "
                    "its name"
                )
        kinds = [f"{number} {kind}" for kind, number in self.skipped.items()]
        log.info("%d documents; rows left out: %s", self.documents, ", ".join(kinds) or "none")
