"""What the columns of result tables mean, and their units: the one source is columns.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from mda.config import strict_yaml

SOURCE = Path(__file__).with_name("columns.yaml")


class Column(NamedTuple):
    """A column's name (perhaps a pattern), its unit and its meaning."""

    name: str
    unit: str
    meaning: str


class Table(NamedTuple):
    """What is said of a kind of table.

    Attributes:
        files: patterns of its paths, from the right.
        holds: what it holds, in a line.
        columns: those that every such table has.
        optional: those that only some have.
    """

    files: tuple[str, ...]
    holds: str
    columns: tuple[Column, ...]
    optional: tuple[Column, ...]

    def column(self, name: str) -> Column | None:
        """What is said of a column."""
        for column in (*self.columns, *self.optional):
            if fnmatchcase(name, column.name):
                return column._replace(name=name)
        return None


def of(path: Path) -> Table | None:
    """What is said of the table at a path; None for what is no result table."""
    whole = PurePath(path.resolve())
    # The most particular pattern: a set of new samples (top-10.rows.parquet) is no selection (top-*.parquet).
    found = [(len(pattern), table) for table in tables() for pattern in table.files if whole.match(pattern)]
    return max(found, key=lambda entry: entry[0])[1] if found else None


@cache
def tables() -> tuple[Table, ...]:
    """All kinds of tables."""
    source = strict_yaml.read(SOURCE)
    named = {table["name"]: table["columns"] for table in source["tables"] if "name" in table}
    return tuple(
        Table(
            tuple(table["files"]),
            table["holds"],
            tuple(_columns(_whole(table["columns"], named), source)),
            tuple(_columns(table.get("optional", []), source)),
        )
        for table in source["tables"]
    )


def _whole(entries: list[Any], named: dict[str, list[Any]]) -> list[Any]:
    """The entries of a table with those that it has from another, which it names with an asterisk."""
    found = []
    for entry in entries:
        inherited = isinstance(entry, str) and entry.startswith("*")
        found += named[entry[1:]] if inherited else [entry]
    return found


def _columns(entries: list[Any], source: dict[str, Any]) -> Iterator[Column]:
    own: dict[str, list[str]] = {}
    for entry in entries:
        if isinstance(entry, dict):
            own |= entry
        [name] = entry if isinstance(entry, dict) else [entry]
        yield Column(name, *_said(name, own, source))


def _said(name: str, own: dict[str, list[str]], source: dict[str, Any]) -> tuple[str, str]:
    """Unit and meaning: the table's own, those of all tables, or those that the end of the name tells."""
    said = own.get(name) or source["columns"].get(name)
    if said is not None:
        unit, meaning = said
        return unit, meaning
    for end, (unit, meaning) in source["endings"].items():
        if name.endswith(end):
            base = name.removesuffix(end)
            return _said(base, own, source)[0] if unit == "=" else unit, meaning.format(column=base)
    raise KeyError(f"{SOURCE.name}: nothing is said of the column '{name}'")
