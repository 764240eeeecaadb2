"""False positives on a corpus that has no catalyst."""

from __future__ import annotations

import pandas as pd

from mda.evidence import csv_tables, statistics

COLUMNS = [
    "comparison", "outcomes", "tests", "found", "rate", "rate_low", "rate_high", "nominal", "corrected",
]  # fmt: skip
# What outcomes are about.
GROUPS = {
    "formation": "unit",
    "score": "unit",
    "sum_formation": "unit",
    "sum": "unit",
    "icl": "in-context learning",
    "held_out": "held-out loss",
}


def false_positives(effects: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """The share of tests that see an effect on a corpus without catalysts: a line for each group of outcomes.

    Only against random must there be nothing: a branch with more or fewer samples than the base learns more
    or less of everything, which the held-out loss shows.

    Args:
        effects: from `mda.evidence.effect_table.effects`.

    Returns:
        comparison, outcomes (the group), tests, found, rate and its interval, nominal (what chance
        gives), corrected (how many stay after correction). No line where nothing can be told, as of one seed.
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
                    **csv_tables.columns("rate", rate),
                    "nominal": 1 - confidence,
                    "corrected": int((known[f"{comparison}_q"] < 1 - confidence).sum()),
                }
            )
    return pd.DataFrame(lines, columns=COLUMNS)
