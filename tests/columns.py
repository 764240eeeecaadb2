"""Tables of a run, held against workflow/report/result_files.yaml."""

import csv
import re
import sys
from pathlib import Path

import pyarrow.parquet as pq
from project import ROOT

sys.path.append(str(ROOT / "docs" / "generate"))

import result_files

FILES, _ = result_files.read((ROOT / "workflow" / "report" / "result_files.yaml").read_text())
# Columns that only some runs have: those of neurons.
SOME = {"in", "out", "activation L{layer}N{neuron}"}


def unexplained(results: Path) -> list[str]:
    """What is wrong: tables without an entry, and columns that only one of the two has."""
    wrong = []
    for path in sorted(results.rglob("*")):
        if path.suffix not in (".parquet", ".csv"):
            continue
        place = str(path.relative_to(results))
        if place.startswith("resume/"):
            continue
        place = re.sub(r"^variants/[^/]+/", "", place)
        entries = [file for file in FILES if _matches(file.path, place)]
        if not entries:
            wrong.append(f"{place} has no entry")
            continue
        given, known = _columns(path), result_files.names(entries[0])
        given = {re.sub(r"^activation L\d+N\d+$", "activation L{layer}N{neuron}", name) for name in given}
        wrong += [f"{place}: column {name} is not explained" for name in sorted(given - known)]
        wrong += [f"{place}: has no column {name}" for name in sorted(known - given - SOME)]
    return wrong


def _matches(path: str, place: str) -> bool:
    """Whether an entry is of this file; a wildcard may stand for several folders."""
    pattern = "".join(
        part if not part.startswith("{") else f"(?:{part[1:-1].replace(',', '|')})" if "," in part else ".+"
        for part in (re.escape(part) if "{" not in part else part for part in result_files.BRACES.split(path))
    )
    return re.fullmatch(pattern, place) is not None


def _columns(path: Path) -> set[str]:
    if path.suffix == ".parquet":
        return set(pq.read_schema(path).names)
    with path.open() as lines:
        return set(next(csv.reader(lines)))
