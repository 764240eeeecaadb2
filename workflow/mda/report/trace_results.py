"""What a trace has found, in lines that its report and `mda summary` tell."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mda.evidence import csv_tables, score_parts
from mda.evidence.rounding import number
from mda.runtime import parquet
from mda.runtime.errors import printable

# Characters of a user's value.
LONGEST = 60


class Line(NamedTuple):
    """A document or a row.

    Attributes:
        rank: 1 for the highest influence.
        what: the user's own columns, which say best which document it is; without any, where it comes from.
            Of a trace of packed rows, the row.
        label, influence: as in the table of scores.
        number: of the document or row in the corpus.
        words: how its text begins, and `sample`: what the sample browser is asked for to show it, as the
            end of its address; empty where `mda.report.trace_texts` does not know.
    """

    rank: int
    what: str
    label: str
    influence: float
    number: int
    words: str = ""
    sample: str = ""

    def __str__(self) -> str:
        return f"{self.rank}. {self.what}, label {self.label}, influence {number(self.influence)}"


class Ends(NamedTuple):
    """The lines of highest and of lowest influence on a target, and how many there are in all."""

    highest: list[Line]
    lowest: list[Line]
    number: int


def of_documents(path: Path, targets: int, told: int) -> dict[str, Ends]:
    """Both ends of scores/documents.parquet by target, of which no more than a batch is held.

    Args:
        targets: how many the table has. Each has all documents.
        told: the number of lines at an end.
    """
    columns = pq.read_schema(path).names
    own = columns[columns.index("origin") + 1 : columns.index("influence")]
    number = pq.read_metadata(path).num_rows // targets
    kept = []
    for batch in parquet.read_batches(path, columns):
        rank = batch.column("rank")
        kept.append(batch.filter(pc.or_(pc.less_equal(rank, told), pc.greater(rank, number - told))))
    table = pa.Table.from_batches(kept).sort_by([("target", "ascending"), ("rank", "ascending")])
    found: dict[str, list[Line]] = {}
    for line in table.to_pylist():
        ids = [f"{value(name)} {value(line[name])}" for name in own if line[name] is not None]
        what = ", ".join(ids or [value(line["origin"])])
        one = Line(line["rank"], what, value(line["label"]), line["influence"], line["document"])
        found.setdefault(line["target"], []).append(one)
    return {target: _ends(lines, number, told) for target, lines in found.items()}


def of_rows(path: Path, told: int) -> dict[str, Ends]:
    """The same of scores/scores.parquet, whose lines are rows; of ties the first in the run is higher."""
    found = {}
    for target, parts in score_parts.of_targets(path, ["row", "influence", "label"]).items():
        number, highest, lowest = 0, pd.DataFrame(), pd.DataFrame()
        for part in parts():
            number += len(part)
            highest = _falling(highest, part).head(told)
            lowest = _falling(lowest, part).tail(told)
        places = [range(1, len(highest) + 1), range(number - len(lowest) + 1, number + 1)]
        of_highest, of_lowest = (
            [
                Line(place, f"row {line['row']}", value(line["label"]), line["influence"], line["row"])
                for place, line in zip(ranks, lines.to_dict("records"), strict=True)
            ]
            for ranks, lines in zip(places, (highest, lowest), strict=True)
        )
        found[target] = Ends(of_highest, of_lowest[::-1], number)
    return found


def _falling(kept: pd.DataFrame, part: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([kept, part]).sort_values("influence", ascending=False, kind="stable")


def _ends(lines: list[Line], number: int, told: int) -> Ends:
    lowest = [line for line in lines if line.rank > number - told]
    return Ends([line for line in lines if line.rank <= told], lowest[::-1], number)


def of_checkpoints(path: Path) -> dict[str, list[tuple[int, str]]]:
    """From evidence/agreement.csv: step of another checkpoint and a line about it, for each target."""
    found: dict[str, list[tuple[int, str]]] = {}
    for line in csv_tables.read(path).to_dict("records"):
        step = int(line["variant"].removeprefix("checkpoint-"))
        found.setdefault(line["target"], []).append((step, _agrees(line)))
    return found


def of_stored_gradients(path: Path) -> dict[tuple[str, int], str]:
    """From evidence/stored_gradients.csv: how close a target's scores at a checkpoint are to those of a pass.

    By target and step.
    """
    return {
        (line["target"], int(line["checkpoint"])): _stored(line)
        for line in csv_tables.read(path).to_dict("records")
        if line["share"] == 1
    }


def _stored(line: dict[str, Any]) -> str:
    kept = (
        ""
        if math.isnan(line["norm_kept"])
        else f" ({percent(line['norm_kept'])} of the fitted gradients' squared norm)"
    )
    lost = (
        f" In the whole store {line['cut_off']:,} numbers were too large for half precision, and cut off."
        if line["cut_off"]
        else ""
    )
    return (
        f"computed from {line['values']:,} stored numbers of each sample's gradients{kept}.{lost} Against "
        f"influence by a pass over {line['samples']:,} of the samples: {_agrees(line)}"
    )


def _agrees(line: dict[str, Any]) -> str:
    if math.isnan(line["spearman"]):
        return "all scores are equal"
    return (
        f"rank correlation {line['spearman']:.2f} [{line['spearman_low']:.2f}, {line['spearman_high']:.2f}]; "
        f"of the top {100 * line['chance']:.0f} %, {100 * line['overlap']:.0f} % are the same "
        f"({100 * line['chance']:.0f} % by chance)"
    )


# Labels that are told, the most frequent.
LABELS = 8


def of_labels(path: Path, target: str) -> dict[str, str]:
    """From figures/labels: shares of the labels among the rows of highest influence, and among all.

    Beside these, `highest` and `all`, the most frequent label of the highest rows, `first`, with its shares
    in words, `of_highest` and `of_all`. Nothing where all rows have one label.
    """
    shares = csv_tables.read(path)
    if shares["label"].nunique() < 2:
        return {}
    found, by_label = {}, {}
    for name, selection in (("highest", f"influence-{target}"), ("all", "all")):
        mine = shares[shares["selection"] == selection].sort_values("share", ascending=False)
        told = [f"{percent(line.share)} {value(line.label)}" for line in mine.head(LABELS).itertuples()]
        found[name] = ", ".join(told) + (f" and {len(mine) - LABELS} more" if len(mine) > LABELS else "")
        by_label[name] = dict(zip(mine["label"], mine["share"], strict=True))
    first = next(iter(by_label["highest"]))
    return {
        **found,
        "first": value(first),
        "of_highest": percent(by_label["highest"][first]),
        "of_all": percent(by_label["all"].get(first, 0.0)),
    }


def percent(share: float) -> str:
    """A share in whole percent; what is not quite none or all does not look so."""
    if 0 < share < 0.005:
        return "under 1 %"
    return "over 99 %" if 0.995 <= share < 1 else f"{100 * share:.0f} %"


def value(given: object, longest: int = LONGEST) -> str:
    """A user's value on one line, no longer than so many characters."""
    text = printable(" ".join(str(given).split()))
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
