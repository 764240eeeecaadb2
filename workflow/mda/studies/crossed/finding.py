"""Finding: the samples of a unit are specific to induction heads."""

from __future__ import annotations

import numpy as np

from mda.evidence.finding import SAME, Finding, Measured, Settings, Tables, unknown
from mda.evidence.table_lines import all_the_same, line_of


def contrast(tables: Tables, target: str, settings: Settings) -> Measured | None:
    """The other induction heads lose more of their own metric than heads that are none: ten times as much."""
    line = line_of(tables, "crossed", removed=target)
    if line is None:
        return None
    if np.isnan(line["contrast_low"]):
        return unknown("there is no other induction head, no head that is none, or no interval of one run")
    if all_the_same(line, "contrast"):
        return unknown(SAME, possible=False)
    induction, rest = line["induction_change"], line["rest_change"]
    holds = bool(line["contrast_high"] < 0 and line["tenfold_high"] < 0)
    note = f"induction heads {100 * induction:+.0f} %, others {100 * rest:+.0f} % of their own metric"
    value, low, high, detectable = (
        100 * line[f"contrast{end}"] for end in ("", "_low", "_high", "_detectable")
    )
    return Measured(value, low, high, holds, int(line["seeds"]), "percentage points", detectable, note)


FINDING = Finding(
    "specificity", "Removing the top samples weakens other induction heads more than other heads",
    "by an order of magnitude", "crossed", contrast,
)  # fmt: skip
