"""Findings: the scores of each method pass all of their sanity checks."""

from __future__ import annotations

import numpy as np

from mda.evidence.finding import Finding, Measure, Measured, Settings, Tables
from mda.studies.sanity.checks import FAILS, PASSES


def passed(method: str) -> Measure:
    """The number of checks of a method that pass: all of them hold it, and one that fails does not."""

    def measure(tables: Tables, target: str, settings: Settings) -> Measured | None:
        if "sanity" not in tables:
            return None
        mine = tables["sanity"]
        mine = mine[(mine["target"] == target) & (mine["method"] == method)]
        if mine.empty:
            return None
        verdicts = mine["verdict"]
        holds = False if (verdicts == FAILS).any() else True if (verdicts == PASSES).all() else None
        others = mine[verdicts != PASSES]
        note = "; ".join(f"{line.check}: {line.verdict}" for line in others.itertuples())
        number = float((verdicts == PASSES).sum())
        unit = f"of {len(mine)} checks passed"
        return Measured(number, np.nan, np.nan, holds, 0, unit, note=note)

    return measure


FINDINGS = tuple(
    Finding(name, claim, "", "sanity", passed(method))
    for name, claim, method in (
        (
            "sanity",
            "Influence passes its sanity checks: with other weights, and for what cannot matter",
            "influence",
        ),
        (
            "sanity-trajectory",
            "The derivative through training passes its sanity checks",
            "trajectory",
        ),
    )
)
