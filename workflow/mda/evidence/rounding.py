"""Numbers with as many digits as they bear, for pages and the terminal."""

from __future__ import annotations

import math

# Decimals of a number that is told.
MOST = 9


def number(value: float, sign: str = "") -> str:
    """Three significant digits; `sign` is '+' to have one before positive numbers too."""
    return f"{value:{sign}.3g}" if abs(value) < 1000 else f"{value:{sign}.0f}"


def with_interval(value: float, low: float, high: float, sign: str = "") -> str:
    """A number with its interval, such as `7.2 [2.7, 11.6]`, all with equally many decimals.

    Half the width of the interval has two significant digits, and no number more than three. Without an
    interval it is `number`.
    """
    width = (high - low) / 2
    if not math.isfinite(width) or width <= 0:
        told = number(value, sign)
        return told if math.isnan(low) else f"{told} [{number(low, sign)}, {number(high, sign)}]"
    largest = max(abs(value), abs(low), abs(high))
    decimals = max(0, min(1 - math.floor(math.log10(width)), 2 - math.floor(math.log10(largest))))
    # An interval without zero shows none.
    while low * high > 0 and decimals < MOST and round(min(abs(low), abs(high)), decimals) == 0:
        decimals += 1
    told, *ends = (f"{part:{sign}z.{decimals}f}" for part in (value, low, high))
    return f"{told} [{', '.join(ends)}]"
