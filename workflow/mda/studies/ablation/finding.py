"""Findings: the target's units carry loss that other units of their layers do not."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mda.evidence.finding import Finding, Measure, Measured, Settings, Tables, unknown
from mda.evidence.table_lines import measured
from mda.studies.ablation.table import HELD_OUT, RANDOM


def carries(text: str) -> Measure:
    """What the target carries of the loss on a text, beyond as many other units, at the last checkpoint."""

    def measure(tables: Tables, target: str, settings: Settings) -> Measured | None:
        table = tables.get("ablation")
        if table is None:
            return None
        mine = table[(table["target"] == target) & (table["text"] == text)]
        if mine.empty:
            return None
        line = mine.loc[mine["step"].idxmax()]
        if line["draws"] == 0:
            words = "its layers have too few other units to compare with"
            return unknown(f"zeroed, they add {line['carried']:.3g} nats a token; {words}", possible=False)
        if np.isnan(line["beyond_others_low"]):
            return unknown("one document has no interval")
        # Beyond their mean, for other documents, and beyond each of them.
        holds = bool(line["beyond_others_low"] > 0 and line["carried"] > line["others_most"])
        note = (
            f"at step {line['step']}, zeroed, they add {line['carried']:.3g} nats to {line['loss']:.3g}; "
            f"as many others add {_range(line)}"
        )
        unit = "nats a token beyond others"
        return measured(line, "beyond_others", holds, line["documents"], unit, note=note)

    return measure


def _range(line: pd.Series) -> str:
    """What other sets of units add, in words."""
    ends = f"{line['others_least']:.3g}"
    return ends if line["draws"] == 1 else f"{ends} to {line['others_most']:.3g} ({line['draws']} sets)"


FINDINGS = (
    Finding(
        "carries-repeated",
        "Without the unit the loss on random tokens shown twice rises more than without as many others",
        "", "ablation", carries(RANDOM),
    ),
    Finding(
        "carries-held-out", "Without it the held-out loss rises more than without as many others",
        "", "ablation", carries(HELD_OUT),
    ),
)  # fmt: skip
