"""Finding: the derivative through training predicts what masking its top samples does."""

from __future__ import annotations

import numpy as np

from mda.evidence.finding import Finding, Measured, Settings, Tables
from mda.evidence.statistics import Estimate
from mda.planning import design
from mda.studies.linearity import table

# A prediction holds if what was found is within half of it.
LEAST, MOST = 0.5, 1.5


def _holds(slope: Estimate) -> bool | None:
    """Whether what was found is within half of what was predicted; None if it could be either."""
    if np.isnan(slope.low):
        return None
    if slope.low > LEAST and slope.high < MOST:
        return True
    return None if slope.low < MOST and slope.high > LEAST else False


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
    words = [
        f"{design.percent(share)} %: {one.value:.2f} [{one.low:.2f}, {one.high:.2f}]"
        for share, one in sorted(slopes.items())
        if share != largest and not np.isnan(one.low)
    ]
    notes = [f"at smaller shares, {'; '.join(words)}"] if words else []
    broken = [f"{design.percent(share)} %" for share, one in sorted(slopes.items()) if _holds(one) is False]
    if broken:
        notes.append(
            f"the linear prediction does not hold with {' and '.join(broken)} masked: read these scores as a "
            "ranking, and not as an amount"
        )
    return Measured(
        value.value,
        value.low,
        value.high,
        _holds(value),
        mine["order"].nunique(),
        f"times the prediction, {design.percent(largest)} % masked",
        note="; ".join(notes),
    )


FINDING = Finding(
    "linearity",
    "The derivative through training predicts what masking an order's top samples does (what is found is "
    f"{LEAST:g} to {MOST:g} times the prediction)",
    "", "linearity", follows,
)  # fmt: skip
