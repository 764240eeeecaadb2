"""How the scores of variants of an attribution agree with those of the configured one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mda.evidence import csv_tables, score_table, statistics
from mda.interventions import selection
from mda.planning.variants import changes


def variants(
    configured: Mapping[str, pd.DataFrame],
    others: Mapping[str, Mapping[str, pd.DataFrame]],
    fraction: float,
    confidence: float,
) -> list[dict[str, Any]]:
    """A line for each target and variant: its rank correlation and top overlap with the configured one.

    Args:
        configured, others: from `mda.evidence.score_table.read`; `others` by the variant's name.
        fraction: the share that counts as top.

    Returns:
        target, variant, changed (the setting), samples, spearman and its interval, overlap (share of the
        top that is top in both) and its interval, chance (the overlap of unrelated scores). Nan where all
        scores are equal, which have no top.
    """
    lines = []
    for variant, scores in others.items():
        for target, mine in configured.items():
            one, two = mine["influence"].to_numpy(), scores[target]["influence"].to_numpy()
            number = selection.count(len(one), fraction)
            common = len(np.intersect1d(score_table.top(one, number), score_table.top(two, number)))
            ranked = not (statistics.constant(one) or statistics.constant(two))
            overlap = statistics.proportion(common, number, confidence) if ranked else statistics.UNKNOWN
            lines.append(
                {
                    "target": target,
                    "variant": variant,
                    "changed": " and ".join(key for key, _ in changes(variant)),
                    "samples": len(one),
                    **csv_tables.columns("spearman", statistics.rank_correlation(one, two, confidence)),
                    **csv_tables.columns("overlap", overlap),
                    "chance": number / len(one),
                }
            )
    return lines
