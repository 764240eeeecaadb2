"""Finding: the derivative through training predicts what masking its top samples does."""

from __future__ import annotations

import numpy as np

from mda.evidence.finding import Finding, Measured, Settings, Tables
from mda.planning import design
from mda.studies.linearity import table

# A prediction holds if what was found is within half of it.
LEAST, MOST = 0.5, 1.5


def follows(tables: Tables, target: str, settings: Settings) -> Measured | None:
    """Found change over predicted change, of the largest share of the samples of each order's own top."""
    if "linearity" not in tables:
        return None
    mine = tables["linearity"]
    mine = mine[(mine["target"] == target) & (mine["selection"] == f"trajectory-{target}")]
    if mine.empty:
        return None
    mine = mine[mine["outcome"] == mine["outcome"].iloc[0]]
    slopes = {
        share: table.slope(part["predicted"].to_numpy(), part["found"].to_numpy(), settings.confidence)
        for share, part in mine.groupby("fraction")
    }
    largest = max(slopes)
    value = slopes[largest]
    holds: bool | None = value.low > LEAST and value.high < MOST
    if np.isnan(value.low) or (not holds and value.low < MOST and value.high > LEAST):
        # It could be either.
        holds = None
    words = [
        f"{design.percent(share)} %: {one.value:.2f} [{one.low:.2f}, {one.high:.2f}]"
        for share, one in sorted(slopes.items())
        if share != largest and not np.isnan(one.low)
    ]
    note = f"at smaller shares, {'; '.join(words)}" if words else ""
    return Measured(
        value.value,
        value.low,
        value.high,
        holds,
        mine["order"].nunique(),
        f"times the prediction, {design.percent(largest)} % masked",
        note=note,
    )


FINDING = Finding(
    "linearity",
    "The derivative through training predicts what masking an order's top samples does (what is found is "
    f"{LEAST:g} to {MOST:g} times the prediction)",
    "", "linearity", follows,
)  # fmt: skip
