"""The reference of result files: every file, and every column of the tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

from markdown_text import code, prose, table
from mda.report import columns
from rules import Rule

# In a path: {one,other} or {wildcard}.
BRACES = re.compile(r"(\{[\w,]+\})")
# Of columns that go with another one.
ENDINGS = ("_low", "_high", "_p", "_q", "_detectable")


class File(NamedTuple):
    """Files of one kind, and what they are; those that are tables have a description of their columns."""

    path: str
    meaning: str
    table: columns.Table | None


def read(text: str) -> list[File]:
    """The files in workflow/report/result_files.yaml, with the tables among them.

    Raises:
        ValueError: for a file that is neither explained nor a known table.
    """
    found = []
    for entry in yaml.safe_load(text)["files"]:
        path = entry["path"]
        # Any of its files.
        one = re.sub(r"\{(\w+)[\w,]*\}", r"\1", path)
        described = columns.of(Path("results", one)) if path.endswith((".csv", ".parquet")) else None
        if ("meaning" in entry) == (described is not None):
            raise ValueError(f"{path} needs a meaning here or columns in {columns.SOURCE.name}, and not both")
        found.append(File(path, entry["meaning"] if described is None else described.holds, described))
    return found


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


def tables(files: list[File], rules: Mapping[str, list[str]]) -> str:
    """All files, and the columns of each kind of table.

    Args:
        rules: path -> the rules that make it.
    """
    kinds: dict[columns.Table, list[str]] = {}
    for file in files:
        if file.table is not None:
            kinds.setdefault(file.table, []).append(file.path)
    lines = ["## All files\n"]
    rows = []
    for file in files:
        shown = code(file.path)
        if file.table is not None:
            shown = f"[{shown}](#{anchor(kinds[file.table][0])})"
        by = ", ".join(f"[{rule}](rules.md#{rule})" for rule in rules.get(file.path, []))
        rows.append([shown, _sentence(file.meaning), by])
    lines.append(table(["File", "What it is", "Made by rule"], rows))
    lines += [
        "Every job also has a log in `logs/`, and its time and memory in `benchmarks/`. "
        "[On a cluster](../how-to/cluster.md#logs) those of a rule are joined.\n"
    ]
    lines += ["## Columns\n", "A column may have companions whose names end like this:\n"]
    lines.append(table(["Ending", "Meaning"], _endings()))
    for kind, paths in kinds.items():
        lines.append(f"### {code(paths[0])} {{#{anchor(paths[0])}}}\n")
        others = f" Also {', '.join(map(code, paths[1:]))}." if len(paths) > 1 else ""
        lines.append(f"{_sentence(kind.holds)}{others}\n")
        lines.append(table(["Column", "Unit", "Meaning"], _columns(kind)))
    return "\n".join(lines)


def anchor(path: str) -> str:
    """The anchor of a file's columns."""
    return "".join(letter if letter.isalnum() else "-" for letter in path).strip("-").lower()


def _columns(kind: columns.Table) -> list[list[str]]:
    """A row for each column; those that go with another one stand in its row."""
    every = [(column, False) for column in kind.columns] + [(column, True) for column in kind.optional]
    names = {column.name for column, _ in every}
    rows = []
    for column, optional in every:
        if any(column.name.removesuffix(ending) in names - {column.name} for ending in ENDINGS):
            continue
        companions = [column.name + ending for ending in ENDINGS if column.name + ending in names]
        name = code(column.name) + (f"<br>{', '.join(map(code, companions))}" if companions else "")
        told = _sentence(column.meaning) + (" *Not in every such table.*" if optional else "")
        rows.append([name, prose(column.unit), told])
    return rows


def _endings() -> list[list[str]]:
    said = yaml.safe_load(columns.SOURCE.read_text(encoding="utf-8"))["endings"]
    return [[code(name), _sentence(told.format(column="it"))] for name, (_, told) in said.items()]


def _sentence(text: str) -> str:
    return prose(f"{text.rstrip('.')}.")
