"""The class `Cell`: intervention, selection, fraction and seed of a run."""

from typing import NamedTuple

BASE = "base"


class Cell(NamedTuple):
    """A run's place in the design; the base has the selection 'none' and fraction 0."""

    intervention: str
    selection: str
    fraction: float
    seed: int
