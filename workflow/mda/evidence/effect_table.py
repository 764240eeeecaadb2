"""From the metrics of all runs to one table of effects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mda.evidence import csv_tables, statistics
from mda.planning.cell import BASE

# Outcome -> the direction in which the unit, or the model, is stronger. Those of a sum are of class metrics.
OUTCOMES = {
    "formation_step": "lower",
    "score_area": "higher",
    "score_final": "higher",
    "sum_formation_step": "lower",
    "sum_area": "higher",
    "sum_final": "higher",
    "icl_area": "lower",
    "icl_final": "lower",
    "held_out_area": "lower",
    "held_out_final": "lower",
}
CELL = ["intervention", "selection", "fraction"]


def outcomes(table: pd.DataFrame, threshold: float, sum_threshold: float = np.nan) -> pd.DataFrame:
    """The outcomes of every run and target, a line each, from all runs' curves.

    Args:
        threshold: the unit has formed when its metric reaches it.
        sum_threshold: the same of the sum over all heads, of a metric of a class. Without it, and of other
            metrics, outcomes of the sum are nan.
    """
    lines: list[dict[str, Any]] = []
    for key, run in table.groupby(["target", *CELL, "seed"], sort=True):
        run = run.sort_values("step")
        steps = run["step"].to_numpy(float)
        formed = statistics.formation(steps, run["score"].to_numpy(), threshold)
        line = dict(zip(["target", *CELL, "seed"], key, strict=True))
        line |= {"formation_step": formed.step, "formed": formed.formed}
        for name, column in (("score", "score"), ("icl", "icl_score"), ("held_out", "held_out_loss")):
            curve = run[column].to_numpy()
            line |= {f"{name}_area": statistics.area(steps, curve), f"{name}_final": float(curve[-1])}
        lines.append(line | _of_sum(steps, run["score_sum"].to_numpy(), sum_threshold))
    return pd.DataFrame(lines)


def _of_sum(steps: np.ndarray, curve: np.ndarray, threshold: float) -> dict[str, Any]:
    if np.isnan(threshold) or np.isnan(curve).all():
        return dict.fromkeys(("sum_formation_step", "sum_formed", "sum_area", "sum_final"), np.nan)
    area, final = statistics.area(steps, curve), float(curve[-1])
    # Attention that is even makes a sum, too. One that begins above the threshold has nothing to form.
    step = share = np.nan
    if curve[0] < threshold:
        formed = statistics.formation(steps, curve, threshold)
        # A number, as it is where there is none.
        step, share = formed.step, float(formed.formed)
    return {"sum_formation_step": step, "sum_formed": share, "sum_area": area, "sum_final": final}


def known(table: pd.DataFrame) -> dict[str, str]:
    """Those of `OUTCOMES` that some run of a table has: outcome -> direction."""
    return {name: better for name, better in OUTCOMES.items() if name in table and table[name].notna().any()}


def effects(table: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """The effect of every cell on every outcome.

    Args:
        table: from `outcomes`.

    Returns:
        A line for each target, outcome that it has, and cell: `mean` over seeds, `formed` (share of the runs
        that formed; of an outcome of the sum, in which the sum did), and against the base (`to_base`) and the
        random control of the same intervention and fraction (`to_random`): mean difference paired by seed,
        `_low`, `_high` of its interval, `_p`, `_q` (corrected for the number of cells of the target and
        outcome), and `_detectable`; see `statistics.Difference`. A cell has nan against itself, and where
        there is no such control.
    """
    lines = []
    for (target, *cell), runs in table.groupby(["target", *CELL], sort=True):
        mine = table[table["target"] == target]
        base = mine[mine["intervention"] == BASE]
        same = (mine["intervention"] == cell[0]) & (mine["fraction"] == cell[2])
        control = mine[same & (mine["selection"] == "random")]
        for outcome, better in known(mine).items():
            line: dict[str, Any] = {"target": target, "outcome": outcome, "better": better}
            line |= dict(zip(CELL, cell, strict=True))
            line |= {
                "seeds": len(runs),
                "formed": float(runs["sum_formed" if outcome.startswith("sum_") else "formed"].mean()),
                "mean": float(runs[outcome].mean()),
            }
            line |= compare(runs, None if cell[0] == BASE else base, outcome, "to_base", confidence)
            itself = cell[0] == BASE or cell[1] == "random"
            line |= compare(runs, None if itself else control, outcome, "to_random", confidence)
            lines.append(line)
    found = pd.DataFrame(lines)
    for name in ("to_base", "to_random"):
        groups = found.groupby(["target", "outcome"])[f"{name}_p"]
        found.insert(
            found.columns.get_loc(f"{name}_p") + 1, f"{name}_q", groups.transform(statistics.adjusted)
        )
    return found


def compare(
    runs: pd.DataFrame, other: pd.DataFrame | None, outcome: str, name: str, confidence: float
) -> dict[str, float]:
    """The difference of an outcome between two groups of runs, paired by seed, as columns `name`..."""
    nothing = statistics.Difference(*[np.nan] * 5)
    difference = nothing
    if other is not None:
        one, two = (of.set_index("seed")[outcome].dropna() for of in (runs, other))
        seeds = one.index.intersection(two.index).sort_values()
        if len(seeds):
            difference = statistics.paired_difference(
                one.loc[seeds].to_numpy(), two.loc[seeds].to_numpy(), confidence
            )
    return csv_tables.columns(name, difference)
