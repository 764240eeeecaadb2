"""Selecting by influence against every other way to select."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mda.evidence import statistics
from mda.evidence.effect_table import compare, known
from mda.planning import variants


def against_controls(table: pd.DataFrame, kind: str, fraction: float, confidence: float) -> pd.DataFrame:
    """What selecting by influence does beyond every other selection for the same target.

    Args:
        table: from `mda.evidence.effect_table.outcomes`.

    Returns:
        A line for each target, outcome and control: the difference influence - control, paired by seed, as
        the columns `beyond`... of `compare`, `beyond_q` (corrected for the number of controls, random among
        them, which has none here: that difference is `to_random` of the table of effects), and `stronger`:
        whether the interval excludes zero in the direction in which the intervention pushes the unit.
    """
    lines = []
    cell = table[(table["intervention"] == kind) & np.isclose(table["fraction"], fraction)]
    for target, mine in cell.groupby("target", sort=False):
        own = mine[mine["selection"] == f"influence-{target}"]
        for selection, runs in mine.groupby("selection", sort=True):
            method, _, of = str(selection).partition("-")
            # Samples of other units are no controls, nor is influence at another time.
            if method == "influence" or of not in ("", target) or variants.is_by_checkpoint(method):
                continue
            for outcome, better in known(mine).items():
                line = compare(own, runs, outcome, "beyond", confidence)
                # Removing weakens the unit, adding strengthens it.
                sign = (1 if better == "higher" else -1) * (-1 if kind in ("mask", "replace") else 1)
                edge = line["beyond_low"] if sign > 0 else -line["beyond_high"]
                lines.append(
                    {
                        "target": target,
                        "intervention": kind,
                        "fraction": fraction,
                        "control": selection,
                        "outcome": outcome,
                        "seeds": len(runs),
                        **line,
                        "stronger": bool(edge > 0),
                    }
                )
    found = pd.DataFrame(lines)
    groups = found.groupby(["target", "outcome"])["beyond_p"]
    corrected = groups.transform(statistics.adjusted).mask(found["control"] == "random")
    found.insert(found.columns.get_loc("beyond_p") + 1, "beyond_q", corrected)
    return found
