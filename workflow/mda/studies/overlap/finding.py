"""Finding: induction heads share top samples."""

from __future__ import annotations

import numpy as np

from mda.evidence.finding import Finding, Measured, Settings, Tables, unknown
from mda.evidence.table_lines import measured


def least_overlap(tables: Tables, target: str, settings: Settings) -> Measured | None:
    """With the unit of the same kind that is least alike, against chance and units of other kinds."""
    table = tables.get("overlap")
    if table is None:
        return None
    # A unit may be another's by its rank.
    apart = np.array(
        [
            not set(one.split()) & set(other.split())
            for one, other in zip(table["one_units"], table["other_units"], strict=True)
        ],
        dtype=bool,
    )
    mine = table[apart & ((table["one"] == target) | (table["other"] == target)) & table["jaccard"].notna()]
    kin, rest = mine[mine["same_kind"]], mine[~mine["same_kind"]]
    if kin.empty:
        return unknown("there is no other unit of its kind, or the scores rank nothing", possible=False)
    line = kin.loc[kin["jaccard"].idxmin()]
    holds = bool(line["jaccard_low"] > line["chance"] and line["q"] < 1 - settings.confidence)
    other = line["other"] if line["one"] == target else line["one"]
    note = f"with {other}; chance, given the labels, {line['chance']:.2f}"
    if len(rest):
        most = rest["jaccard"].max()
        holds &= bool(line["jaccard_low"] > most)
        note += f"; with units of other kinds up to {most:.2f}"
    return measured(line, "jaccard", holds, 0, "Jaccard index", note=note)


FINDING = Finding(
    "overlap", "Induction heads share top samples, beyond chance and more than with other heads",
    "strong overlap, low with others", "overlap", least_overlap,
)  # fmt: skip
