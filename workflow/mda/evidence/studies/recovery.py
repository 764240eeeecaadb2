"""Are known catalysts found? Scores against the labels of corpora that were made for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mda.evidence import statistics
from mda.interventions import selection

FALSE_POSITIVES = [
    "comparison", "outcomes", "tests", "found", "rate", "rate_low", "rate_high", "nominal", "corrected",
]  # fmt: skip
# What outcomes are about.
GROUPS = {"formation": "unit", "score": "unit", "icl": "in-context learning", "held_out": "held-out loss"}


def recovery(
    scores: Mapping[str, np.ndarray],
    catalyst: np.ndarray,
    decoy: np.ndarray,
    fraction: float,
    confidence: float,
) -> list[dict[str, Any]]:
    """A line a method: how well its scores tell the catalysts from the rest.

    Args:
        scores: method -> shape (samples,).
        catalyst, decoy: whether each sample is one.
        fraction: the share that counts as top.

    Returns:
        method, samples, rate (share of catalysts), auroc (of catalysts against the rest) and decoys_auroc
        (against the decoys alone) with their intervals, precision (share of catalysts among the top) and its
        interval, decoys_top (share of decoys there). Of decoys nan, where there are none.
    """
    lines = []
    for method, values in scores.items():
        found = statistics.auroc(values[catalyst], values[~catalyst], confidence)
        against = (np.nan,) * 3
        if decoy.any():
            against = statistics.auroc(values[catalyst], values[decoy], confidence)
        number = selection.count(len(values), fraction)
        top = selection.top(values, number, 0)
        hits = int(catalyst[top].sum())
        precision = statistics.proportion(hits, number, confidence)
        lines.append(
            {
                "method": method,
                "samples": len(values),
                "rate": float(catalyst.mean()),
                **dict(zip(("auroc", "auroc_low", "auroc_high"), found, strict=True)),
                **dict(zip(("decoys_auroc", "decoys_auroc_low", "decoys_auroc_high"), against, strict=True)),
                **dict(zip(("precision", "precision_low", "precision_high"), precision, strict=True)),
                "decoys_top": float(decoy[top].mean()) if decoy.any() else np.nan,
            }
        )
    return lines


def false_positives(effects: pd.DataFrame, confidence: float) -> list[dict[str, Any]]:
    """On a corpus without catalysts: the share of tests that see an effect, a line a group of outcomes.

    Only against random must there be nothing: a branch with more or fewer samples than the base learns more
    or less of everything, which the held-out loss shows.

    Args:
        effects: from `evidence.effects`.

    Returns:
        comparison, outcomes (the group), tests, found, rate and its interval, nominal (what chance
        gives), corrected (how many stay after correction). None where nothing can be told, as of one seed.
    """
    lines = []
    for comparison in ("to_base", "to_random"):
        groups = effects["outcome"].str.replace(r"_(step|area|final)$", "", regex=True).map(GROUPS)
        for outcomes, mine in effects.groupby(groups, sort=False):
            # Where all runs came out the same (no unit forms) there is nothing that could be found.
            same = (mine[[f"{comparison}{end}" for end in ("", "_low", "_high")]] == 0).all(axis=1)
            known = mine[mine[f"{comparison}_p"].notna() & ~same]
            if known.empty:
                continue
            hits = int((known[f"{comparison}_p"] < 1 - confidence).sum())
            rate = statistics.proportion(hits, len(known), confidence)
            lines.append(
                {
                    "comparison": comparison,
                    "outcomes": str(outcomes),
                    "tests": len(known),
                    "found": hits,
                    "rate": rate.value,
                    "rate_low": rate.low,
                    "rate_high": rate.high,
                    "nominal": 1 - confidence,
                    "corrected": int((known[f"{comparison}_q"] < 1 - confidence).sum()),
                }
            )
    return lines
