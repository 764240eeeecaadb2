"""A run's place in the design, the noun that paths, tables and figures share."""

from typing import NamedTuple

BASE = "base"


class Cell(NamedTuple):
    """A run's place in the design; the base has the selection 'none' and fraction 0."""

    intervention: str
    selection: str
    fraction: float
    seed: int
