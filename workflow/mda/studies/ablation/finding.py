"""Findings: the target's units carry loss that other units of their layers do not."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mda.evidence.finding import Finding, Measure, Measured, Settings, Tables, unknown
from mda.evidence.table_lines import measured
from mda.studies.ablation.table import HEADS, HELD_OUT, LAYERS, NEURONS, RANDOM, SEVERAL

# Why there is nothing to compare with, by what the units are.
ALONE = {
    HEADS: "its layers have too few other heads that are of no target",
    NEURONS: "its layers have too few other neurons that are of no target",
    LAYERS: "a layer has one attention and one MLP, so there is no other to compare with",
    SEVERAL: "attentions and MLPs together are not compared with others",
}


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
        note = f"at step {line['step']}, zeroed, they add {line['carried']:.3g} nats to {line['loss']:.3g}"
        if line["draws"] == 0:
            return unknown(f"{note}; {ALONE[line['kind']]}", possible=False)
        if np.isnan(line["beyond_others_low"]):
            return unknown("one document has no interval")
        low, high = line["beyond_others_low"], line["beyond_others_high"]
        most = line["carried"] > line["others_most"]
        # Beyond their mean, for other documents, and beyond each of them.
        holds = None if low <= 0 < high else bool(low > 0 and most)
        note += f"; as many others add {_range(line)}"
        if low > 0 and not most:
            note += "; one of these sets adds as much"
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
        "Zeroing the unit raises the loss on random tokens shown twice more than zeroing as many other units",
        "", "ablation", carries(RANDOM),
    ),
    Finding(
        "carries-held-out",
        "Zeroing the unit raises the held-out loss more than zeroing as many other units",
        "", "ablation", carries(HELD_OUT),
    ),
)  # fmt: skip
