"""What the derivative through training predicts of masking samples, and what masking them did."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from mda.config import trajectory_section
from mda.evidence.statistics import UNKNOWN, Estimate

PLACE = ["step", "update", "slot"]


def predicted(walk: pd.DataFrame, masked: np.ndarray) -> float:
    """The change of an outcome, to first order, when samples give no gradient.

    A masked sample leaves the mean of its update: of n samples without m, each of the others counts
    n / (n - m) times. So the change is the sum, over updates, of m / (n - m) x (scores of the others) minus
    the scores of the masked ones. With all of its samples masked, an update is not made.

    Args:
        walk: `PLACE` and score, the derivative in the weight of each sample's loss, of one outcome.
        masked: shape (samples,), whether each sample of `walk` is masked.
    """
    table = walk[PLACE].assign(
        gone=np.where(masked, walk["score"], 0.0),
        rest=np.where(masked, 0.0, walk["score"]),
        masked=masked,
        samples=1,
    )
    updates = table.groupby(PLACE[:2])[["gone", "rest", "masked", "samples"]].sum()
    left = (updates["samples"] - updates["masked"]).clip(lower=1)
    return float((updates["rest"] * updates["masked"] / left - updates["gone"]).sum())


def masked_of(walk: pd.DataFrame, stream: pd.DataFrame) -> np.ndarray:
    """Whether each sample of a walk is masked in a branch of the same order.

    Args:
        walk: `PLACE`, of one outcome.
        stream: what the branch changes in its order, with role.
    """
    roles = stream.set_index(PLACE)["role"]
    return (roles.reindex(pd.MultiIndex.from_frame(walk[PLACE])) == "masked").to_numpy()


# The measures that the curves of runs have: measure -> column.
COLUMNS = {"metric": "score", "metric_sum": "score_sum", "metric_soft_max": "score_soft_max"}


def found(curves: pd.DataFrame, outcome: trajectory_section.Outcome) -> pd.Series:
    """An outcome of every run, as `mda.attribution.outcomes.Outcome` has it; its measure is one of `COLUMNS`.

    Returns:
        By intervention, selection, fraction and seed.
    """
    mine = curves[curves["target"] == outcome.target].sort_values("step")
    if outcome.when == "step":
        mine = mine[mine["step"] == outcome.step]
    runs = mine.groupby(["intervention", "selection", "fraction", "seed"])[COLUMNS[outcome.measure]]
    return runs.mean() if outcome.when == "mean" else runs.last()


def line(walk: pd.DataFrame, stream: pd.DataFrame, without: float, after: float) -> dict[str, Any]:
    """What was predicted of one masked branch, and found.

    Args:
        walk: that of the branch's order, of one outcome; see `predicted`.
        stream: what the branch changes in its order.
        without, after: the outcome of the order without an intervention, and of the branch.
    """
    masked = masked_of(walk, stream)
    return {
        "samples": int(masked.sum()),
        "without": without,
        "predicted": predicted(walk, masked),
        "found": after - without,
    }


def slope(predicted: np.ndarray, found: np.ndarray, confidence: float) -> Estimate:
    """How large what was found is, as a multiple of what was predicted: a line through the origin.

    Least squares over orders, with Student's t interval of its residuals. One order has no interval,
    nor have orders of which nothing came; predictions that are all 0 have no slope.

    Args:
        predicted, found: shape (orders,).
    """
    squares = float((predicted**2).sum())
    if squares == 0:
        return UNKNOWN
    value = float((predicted * found).sum() / squares)
    if len(found) < 2 or np.ptp(found) == 0:
        return Estimate(value, np.nan, np.nan)
    freedom = len(found) - 1
    error = np.sqrt(((found - value * predicted) ** 2).sum() / freedom / squares)
    half = float(error * stats.t.ppf((1 + confidence) / 2, freedom))
    return Estimate(value, value - half, value + half)
