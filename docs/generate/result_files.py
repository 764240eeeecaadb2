"""The reference of result files: workflow/report/result_files.yaml as a page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import yaml

from markdown_text import code, prose, table
from rules import Rule

# In a path: {one,other} or {wildcard}.
BRACES = re.compile(r"(\{[\w,]+\})")


class Column(NamedTuple):
    """A column of a table; `endings` are those with which it is there as well."""

    name: str
    unit: str
    meaning: str
    endings: tuple[str, ...]


class File(NamedTuple):
    """Files of one kind, or of one place, and their columns, none for what is no table."""

    path: str
    meaning: str
    columns: list[Column]


def read(text: str) -> tuple[list[File], dict[str, str]]:
    """The files, and what each ending of a column means."""
    record = yaml.safe_load(text)
    files = [
        File(
            entry["path"],
            entry["meaning"],
            [_column(name, *given) for name, given in entry.get("columns", {}).items()],
        )
        for entry in record["files"]
    ]
    return files, record["endings"]


def _column(name: str, unit: str, meaning: str, endings: Iterable[str] = ()) -> Column:
    return Column(name, unit, meaning, tuple(endings))


def names(file: File) -> set[str]:
    """The names of all columns, with their endings."""
    return {column.name + ending for column in file.columns for ending in ("", *column.endings)}


def makers(path: str, rules: Iterable[Rule]) -> list[str]:
    """The rules that make the files of this path."""
    outputs = [
        (rule.name, output.removeprefix("<results>/").removeprefix("{place}"))
        for rule in rules
        for output in rule.outputs
    ]
    same = [rule for rule, output in outputs if output == path]
    covered = [rule for rule, output in outputs if re.fullmatch(_pattern(path), output)]
    # A rule of many files, such as {page}.html.
    found = same or covered or [rule for rule, output in outputs if re.fullmatch(_pattern(output), path)]
    return list(dict.fromkeys(found))


def _pattern(path: str) -> str:
    parts = []
    for part in BRACES.split(path):
        if not BRACES.fullmatch(part):
            parts.append(re.escape(part))
        elif "," in part:
            parts.append(f"(?:{part[1:-1].replace(',', '|')})")
        else:
            parts.append(rf"(?:{re.escape(part)}|[^/{{}}]+|\{{\w+\}})")
    return "".join(parts)


def tables(files: list[File], endings: dict[str, str], makers: dict[str, list[str]]) -> str:
    """All files, and the columns of each.

    Args:
        makers: path -> the rules that make it.
    """
    lines = ["## All files\n"]
    rows: list[list[Any]] = []
    for file in files:
        name = f"[{code(file.path)}](#{anchor(file.path)})" if file.columns else code(file.path)
        rules = ", ".join(f"[{rule}](rules.md#{rule})" for rule in makers.get(file.path, []))
        rows.append([name, prose(file.meaning), rules])
    lines.append(table(["File", "What it is", "Made by rule"], rows))
    lines += ["Every job also has a log in `logs/`, and its time and memory in `benchmarks/`.\n"]
    lines += ["## Columns\n", "A column may have companions whose names end like this:\n"]
    lines.append(table(["Ending", "Meaning"], [[code(name), prose(told)] for name, told in endings.items()]))
    for file in files:
        if not file.columns:
            continue
        lines.append(f"### {code(file.path)} {{#{anchor(file.path)}}}\n")
        lines.append(f"{prose(file.meaning)}\n")
        lines.append(table(["Column", "Unit", "Meaning"], [_row(column) for column in file.columns]))
    return "\n".join(lines)


def anchor(path: str) -> str:
    """The anchor of a file's columns."""
    return "".join(letter if letter.isalnum() else "-" for letter in path).strip("-").lower()


def _row(column: Column) -> list[str]:
    others = ", ".join(code(column.name + ending) for ending in column.endings)
    name = code(column.name) + (f"<br>{others}" if others else "")
    return [name, prose(column.unit), prose(column.meaning)]
