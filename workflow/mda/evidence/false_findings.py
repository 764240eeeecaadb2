"""Is the measured rate of false positives the nominal one?"""

from __future__ import annotations

import pandas as pd


def at_nominal_rate(line: pd.Series, note: str) -> tuple[bool | None, str]:
    """Whether a rate of false findings is the nominal one; None where it cannot be told from twice that."""
    if line["rate_low"] > line["nominal"]:
        return False, note
    if line["rate_high"] > 2 * line["nominal"]:
        return None, f"{note}; too few to tell from twice the nominal rate"
    return True, note
