"""The tests that were planned: the main claim of each intervention, against the same at random.

They are few and fixed here, so that they are corrected for their own number (Holm 1979), and not for the
number of all cells of a table, which is exploration. On runs that were seen before the tests were fixed they
are exploration as well. Of the shipped experiments that is the embedded default; its replications had not
been run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from mda.evidence import statistics


class Test(NamedTuple):
    """A planned test.

    Attributes:
        kinds: the interventions that it is of: the first that an experiment has.
        sign: direction in which the claim has the outcome go, against random.
        unit: of the outcome.
    """

    kinds: tuple[str, ...]
    outcome: str
    sign: int
    unit: str


TESTS = {
    "removal": Test(("replace", "mask"), "formation_step", 1, "steps"),
    "duplication": Test(("duplicate",), "formation_step", -1, "steps"),
    "augmentation": Test(("augment",), "score_area", 1, "mean metric"),
}


def corrected(p_values: Mapping[str, float]) -> dict[str, float]:
    """Test -> its p-value corrected for the number of those here; a nan is no test."""
    known = {name: value for name, value in p_values.items() if not np.isnan(value)}
    return dict(zip(known, statistics.family_adjusted(list(known.values())), strict=True))
