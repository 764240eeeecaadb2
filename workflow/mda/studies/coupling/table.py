"""How interventions move the unit's metric and in-context learning together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mda.evidence import statistics
from mda.planning.cell import BASE


def correlations(table: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """How interventions move the unit's metric and the ICL score together, each a mean over the window.

    A run counts as its difference to the base run of its seed, for runs of one order are alike.

    Args:
        table: from `mda.evidence.effect_table.outcomes`.

    Returns:
        A line for each target and group of runs ('all', or an intervention; of four runs a seed or more, else
        nan or no line): runs, seeds, and three correlations (Pearson) of the metric, each with its interval:
        `r` with the ICL score, `held_out_r` with the held-out loss, `partial_r` with the ICL score given the
        held-out loss. Intervals are Student's t over the seeds' Fisher transforms; all share a base model and
        the selections.
    """
    areas = ["score_area", "icl_area", "held_out_area"]
    lines = []
    for target, mine in table.groupby("target", sort=False):
        base = mine[mine["intervention"] == BASE].set_index("seed")[areas]
        treated = mine[mine["intervention"] != BASE]
        moved = treated[areas] - base.loc[treated["seed"]].to_numpy()
        for name in ("all", *sorted(set(treated["intervention"]))):
            chosen = np.ones(len(treated), bool) if name == "all" else treated["intervention"] == name
            seeds = [part.to_numpy() for _, part in moved[chosen].groupby(treated["seed"][chosen])]
            few = min(map(len, seeds), default=0) < 4
            if few and name != "all":
                continue
            line: dict[str, Any] = {"target": target, "runs_of": name, "runs": int(np.sum(chosen))}
            found = np.full((1, 3), np.nan) if few else np.array([_correlations(part) for part in seeds])
            # Beyond one by rounding.
            found = np.clip(found, -1 + 1e-12, 1 - 1e-12)
            for column, values in zip(("r", "held_out_r", "partial_r"), found.T, strict=True):
                mean, low, high, *_ = statistics.paired_difference(
                    np.arctanh(values), np.zeros(len(values)), confidence
                )
                ends = dict(zip(("", "_low", "_high"), np.tanh([mean, low, high]), strict=True))
                line |= {f"{column}{end}": value for end, value in ends.items()}
            lines.append({**line, "seeds": len(seeds)})
    return pd.DataFrame(lines, columns=COLUMNS)


COLUMNS = [
    "target", "runs_of", "runs", "seeds",
    *(f"{name}{end}" for name in ("r", "held_out_r", "partial_r") for end in ("", "_low", "_high")),
]  # fmt: skip


def _correlations(moved: np.ndarray) -> tuple[float, float, float]:
    """Of the metric with the ICL score, with the held-out loss, and with the first given the second."""
    with np.errstate(invalid="ignore", divide="ignore"):
        score_icl, score_loss, icl_loss = np.corrcoef(moved.T)[np.triu_indices(3, 1)]
        rest = np.sqrt((1 - score_loss**2) * (1 - icl_loss**2))
        return score_icl, score_loss, (score_icl - score_loss * icl_loss) / rest
