"""Finding: the unit and in-context learning move together."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mda.evidence.finding import Finding, Measured, Settings, Tables, unknown
from mda.evidence.table_lines import line_of, measured


def correlation(tables: Tables, target: str, settings: Settings) -> Measured | None:
    """The correlation of the unit's metric with the ICL score, also given the held-out loss."""
    line = line_of(tables, "coupling", target=target, runs_of="all")
    if line is None:
        return None
    if np.isnan(line["r_low"]):
        return unknown("fewer than four runs, or runs that all came out the same, have no correlation")
    words = "Pearson's r with the ICL score, which is better the lower it is"
    note = f"at equal held-out loss r is {_given(line)}"
    mine = tables["coupling"]
    mine = mine[(mine["target"] == target) & (mine["runs_of"] != "all") & mine["partial_r_low"].notna()]
    for _, one in mine.iterrows():
        note += f"; among the runs of {one['runs_of']} alone {_given(one)}"
    holds: bool | None = bool(line["r_high"] < 0 and line["partial_r_high"] < 0)
    if np.isnan(line["partial_r_high"]):
        holds = None
    return measured(line, "r", holds, line["seeds"], words, note=note)


def _given(line: pd.Series) -> str:
    return "{:.2f} [{:.2f}, {:.2f}]".format(*(line[f"partial_r{end}"] for end in ("", "_low", "_high")))


FINDING = Finding(
    "coupling", "The unit and in-context learning move together", "they move together", "coupling",
    correlation,
)  # fmt: skip
