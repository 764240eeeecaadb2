"""Finding: influence is heavy-tailed."""

from __future__ import annotations

import numpy as np

from mda.evidence.finding import Finding, Measured, Settings, Tables, unknown
from mda.evidence.table_lines import line_of


def share_of_the_top(tables: Tables, target: str, settings: Settings) -> Measured | None:
    """The share of the positive influence that the top 10 % of the samples have."""
    line = line_of(tables, "tail", target=target)
    if line is None:
        return None
    if np.isnan(line["excess_low"]):
        return unknown("all scores are equal, or none is positive", possible=False)
    note = f"scores that are normally distributed within each label would give {100 * line['normal']:.3g} %"
    holds = bool(line["excess_low"] > 0)
    return Measured(
        100 * line["share"], 100 * line["share_low"], 100 * line["share_high"], holds,
        int(line["samples"]), "% of positive influence", note=note,
    )  # fmt: skip


FINDING = Finding(
    "tail", "Influence is heavy-tailed: the share of the top 10 % of the samples", "up to about 50 %", "tail",
    share_of_the_top,
)  # fmt: skip
