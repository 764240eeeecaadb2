"""Finding: influence is spread evenly over training."""

from __future__ import annotations

import numpy as np

from mda.evidence.finding import Finding, Measured, Settings, Tables, unknown


def spread(tables: Tables, target: str, settings: Settings) -> Measured | None:
    """Equivalence: the steps of the steepest rise have their share of the influence, to a factor of two."""
    table = tables.get("stream")
    if table is None or table[table["target"] == target].empty:
        return None
    mine = table[table["target"] == target]
    rise = mine["gain"].clip(lower=0).sum()
    if mine["positive_share"].isna().any() or not rise > 0:
        return unknown("no influence is positive, or the metric never rises", possible=False)
    line = mine.loc[mine["gain"].idxmax()]
    share = line["samples"] / mine["samples"].sum()
    gain = line["gain"] / rise
    ratio, low, high = (line[f"positive_share{end}"] / share for end in ("", "_low", "_high"))
    note = f"steps {line['start']:.0f} to {line['stop']:.0f} have {100 * gain:.0f} % of the rise"
    holds: bool | None = None if np.isnan(low) else bool(low > 0.5 and high < 2)
    if settings.shuffled:
        holds, note = None, f"{note}; of samples in random order it could not be otherwise"
    words = "times its share of the samples"
    found = Measured(ratio, low, high, holds, int(line["samples"]), words, note=note)
    return found._replace(possible=not settings.shuffled)


FINDING = Finding(
    "time", "Influence is spread evenly over training, although the unit forms at once", "spread evenly",
    "stream", spread,
)  # fmt: skip
