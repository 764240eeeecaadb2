"""Finding: influence predicts runs on random halves of the window."""

from __future__ import annotations

import numpy as np

from mda.evidence.finding import Finding, Measured, Settings, Tables, unknown
from mda.evidence.table_lines import line_of, measured


def lds(tables: Tables, target: str, settings: Settings) -> Measured | None:
    """The linear datamodelling score of influence."""
    line = line_of(tables, "datamodel", target=target, method="influence", outcome="score_area")
    if line is None:
        return None
    if np.isnan(line["lds"]):
        return unknown("all scores, or all runs on subsets, are the same", possible=False)
    holds: bool | None = bool(line["lds_low"] > 0)
    detectable, note = line["detectable"], f"{line['orders']:.0f} runs a subset"
    if not np.isnan(line["reliability"]):
        note += f", whose mean has a reliability of {line['reliability']:.2f} (estimated)"
    if not holds and line["ceiling"] < detectable:
        holds, note = None, f"{note}; not even the truth would be found"
    return measured(line, "lds", holds, line["subsets"], "LDS", detectable, note)


FINDING = Finding(
    "lds", "Influence predicts runs on random halves of the window (linear datamodelling score)", "",
    "datamodel", lds,
)  # fmt: skip
