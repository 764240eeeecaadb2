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
            [Column(name, *given[:2], tuple((*given, [])[2])) for name, given in entry.get("columns", {}).items()],
        )
        for entry in record["files"]
    ]
    return files, record["endings"]


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


def page(files: list[File], endings: dict[str, str], makers: dict[str, list[str]]) -> str:
    """The reference as a page.

    Args:
        makers: path -> the rules that make it.
    """
    lines = [INTRODUCTION, table(["Ending", "Meaning"], [[code(name), prose(told)] for name, told in endings.items()])]
    lines.append("## All files\n")
    rows: list[list[Any]] = []
    for file in files:
        name = f"[{code(file.path)}](#{anchor(file.path)})" if file.columns else code(file.path)
        rules = ", ".join(f"[{rule}](rules.md#{rule})" for rule in makers.get(file.path, []))
        rows.append([name, prose(file.meaning), rules])
    lines.append(table(["File", "What it is", "Made by rule"], rows))
    lines += ["Every job also has a log in `logs/` and its time and memory in `benchmarks/`.\n", "## Columns\n"]
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


INTRODUCTION = """# Result files

Every file of an experiment, with every column and its unit. Paths are below the folder of results: `results/` for the
embedded default, `results/<name>/` for an experiment with a name. A name in braces stands for several files.

Other programs can open all of them: Parquet and CSV (pandas), JSON, NumPy, safetensors, Hugging Face checkpoints, PNG, PDF
and HTML.

**What made a file.** Parquet, JSON, safetensors, checkpoints, figures and pages carry a record, `made_by`: the step, a
fingerprint of its code, its settings, hashes of its inputs and the versions of the packages. For arrays, CSV files and
folders the record is beside them, in `<name>.made_by.json`.

**Branches and selections.** A branch is one way to change the training stream. It is `base` (the shuffled window,
unchanged) or `{intervention}/{selection}/top-{percent}`. The interventions are `replace` and `mask`, which remove the
selected samples, `duplicate`, which shows them twice, `augment`, which inserts new samples with their structure, and `swap`
(in a study), which puts the top samples of other steps in their places. A selection is `influence-{target}`, `random`, `loss`
or `repetition`; in the studies also `matched`, `gradient_norm`, `bm25`, `identity`, `diagonal` or `kfac` with a target, and
`subset/draw-{n}`. Random selections are drawn anew for every seed, in `random/draw-{seed}`.

**Variants.** An attribution with other settings has its factors and scores in `variants/{variant}/`, with the same names and
columns.

**Endings.** A column may have companions with these endings:
"""
