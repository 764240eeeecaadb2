"""Findings: the planned tests hold in models from other initial weights as well."""

from __future__ import annotations

import numpy as np

from mda.evidence.finding import Finding, Measure, Measured, Settings, Tables
from mda.evidence.intervention_findings import planned_measure


def replicated(name: str) -> Measure:
    """The same test across experiments from other initial weights."""

    def measure(tables: Tables, target: str, settings: Settings) -> Measured | None:
        table = tables.get("replication")
        if table is None:
            return None
        mine = table[(table["target"] == target) & (table["experiment"] == "all")].set_index("test")
        lines = {test: line for test, line in mine.iterrows() if not np.isnan(line["to_random"])}
        return planned_measure(name, lines, "runs", settings) if name in lines else None

    return measure


FINDINGS = tuple(
    Finding(
        f"{name}-replicated", f"{words}, in models from other initial weights as well", "", "replication",
        replicated(name),
    )
    for name, words in (
        ("removal", "Removing the top samples delays the unit"),
        ("duplication", "Duplicating the top samples makes the unit form earlier"),
        ("augmentation", "New samples with the structure of the top ones raise the unit's metric"),
    )
)  # fmt: skip
