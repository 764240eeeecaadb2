"""How two sets of scores of the same samples agree."""

from __future__ import annotations

from typing import Any

from mda.evidence import csv_tables, ranked, statistics
from mda.evidence.ranked import Ranked


def compared(one: Ranked, two: Ranked, confidence: float) -> dict[str, Any]:
    """Rank correlation and top overlap of two scores of the same samples.

    Returns:
        samples, spearman and its interval, overlap (share of the top that is top in both) and its interval,
        chance (the overlap of unrelated scores). Nan where all scores are equal, which have no top.
    """
    common, spearman = ranked.together(one, two, confidence)
    overlap = statistics.proportion(common, one.top, confidence)
    return {
        "samples": one.samples,
        **csv_tables.columns("spearman", spearman),
        **csv_tables.columns("overlap", statistics.UNKNOWN if one.equal or two.equal else overlap),
        "chance": one.top / one.samples,
    }
