"""Numbers with as many digits as they bear, for pages and the terminal."""

from __future__ import annotations

import math

# Decimals of a number that is told.
MOST = 9

# Numbers below it are told with an exponent.
SMALL = 1e-4


def number(value: float, sign: str = "") -> str:
    """Three significant digits; `sign` is '+' to have one before positive numbers too."""
    return f"{value:{sign}.3g}" if abs(value) < 999.5 else f"{value:{sign}.0f}"


def with_interval(value: float, low: float, high: float, sign: str = "") -> str:
    """A number with its interval, such as `7.2 [2.7, 11.6]`, all with equally many decimals.

    Half the width of the interval has two significant digits, and no number more than three unless the number
    and the ends would look alike. Small ones have an exponent, the same for all. Without an interval it is
    `number`.
    """
    width = (high - low) / 2
    if not math.isfinite(width) or width <= 0:
        told = number(value, sign)
        return told if math.isnan(low) else f"{told} [{number(low, sign)}, {number(high, sign)}]"
    parts = (value, low, high)
    exponent = ""
    largest = max(map(abs, parts))
    if largest < SMALL:
        # Not below the smallest power of ten that has all its digits.
        power = max(math.floor(math.log10(largest)), -307)
        exponent = f"e{power:03d}"
        parts = (value / 10.0**power, low / 10.0**power, high / 10.0**power)
    decimals = _decimals(*parts)
    told, *ends = (f"{part:{sign}z.{decimals}f}{exponent}" for part in parts)
    return f"{told} [{', '.join(ends)}]"


def _decimals(value: float, low: float, high: float) -> int:
    """Decimals of a number and its interval, by the rules of `with_interval`."""
    most = max(0, 1 - math.floor(math.log10((high - low) / 2)))
    decimals = min(most, max(0, 2 - math.floor(math.log10(max(abs(value), abs(low), abs(high))))))
    while decimals < most and len({round(part, decimals) for part in (value, low, high)}) < 3:
        decimals += 1
    # An interval without zero shows none.
    while low * high > 0 and decimals < MOST and round(min(abs(low), abs(high)), decimals) == 0:
        decimals += 1
    return decimals
