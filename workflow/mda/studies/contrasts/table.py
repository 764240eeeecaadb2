"""Planned contrasts over several models, each with several orders of its samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mda.config.experiment import OF_A_TARGET
from mda.config.study_sections import Contrast
from mda.evidence import csv_tables, planned_tests, statistics, two_sources
from mda.planning.cell import BASE
from mda.runtime.errors import UserError

# The line over all models.
ALL = "all"
NOTHING = np.empty(0)


def contrasts(
    outcomes: Mapping[str, pd.DataFrame],
    planned: Sequence[Contrast],
    fraction: float,
    start: int,
    confidence: float,
) -> pd.DataFrame:
    """Selecting by influence against the planned controls, over models.

    Args:
        outcomes: experiment, which is a model -> its table from `mda.evidence.effect_table.outcomes`.
        start: the step at which branches begin.

    Returns:
        For each target and planned contrast a line for each model, and one of `ALL`: models (in which the
        unit forms in the window and both sides were run; of one model 1, or 0 if it does not count), orders
        (pairs of runs, in these models), and the difference influence - control, paired by order, as
        `difference`...: of a model Student's t over its orders; of all of them that of
        `mda.evidence.two_sources.nested_difference`, with `_q` corrected for the number of planned contrasts
        of the target (Holm), and its `between` and `within`.

    Raises:
        UserError: when an experiment's table lacks a planned outcome.
    """
    for name, table in outcomes.items():
        if lacking := {one.outcome for one in planned} - set(table):
            raise UserError(
                f"the outcomes of {name} have no {min(lacking)}, for they are of an earlier version; run "
                "that experiment again"
            )
    lines: list[dict[str, Any]] = []
    for target in dict.fromkeys(name for table in outcomes.values() for name in table["target"]):
        mine = {name: table[table["target"] == target] for name, table in outcomes.items()}
        forming = {name: table for name, table in mine.items() if _forms(table, start)}
        for one in planned:
            pairs = {
                name: _differences(forming[name], str(target), one, fraction) if name in forming else NOTHING
                for name in mine
            }
            counted = [of_model for of_model in pairs.values() if len(of_model)]
            place = {
                "target": target, "intervention": one.kind, "control": one.control, "outcome": one.outcome,
            }  # fmt: skip
            lines += [
                {**place, "experiment": name, **_of_one(of_model, confidence)}
                for name, of_model in pairs.items()
            ]
            number = {"models": len(counted), "orders": sum(map(len, counted))}
            lines.append({**place, "experiment": ALL, **number, **_estimate(counted, confidence)})
    table = pd.DataFrame(lines)
    tests = table["difference_p"].where(table["experiment"] == ALL)
    corrections = tests.groupby(table["target"]).transform(
        lambda p: pd.Series(planned_tests.corrected(p.to_dict()), dtype=float).reindex(p.index)
    )
    table.insert(table.columns.get_loc("difference_p") + 1, "difference_q", corrections)
    return table


def _forms(table: pd.DataFrame, start: int) -> bool:
    base = table[table["intervention"] == BASE]
    if base.empty:
        return False
    return statistics.forms_in_window(base["formed"].mean(), base["formation_step"].mean(), start)


def _differences(table: pd.DataFrame, target: str, one: Contrast, fraction: float) -> np.ndarray:
    """Influence - control in one model, an entry for each order that both have."""
    control = f"{one.control}-{target}" if one.control in OF_A_TARGET else one.control
    cell = table[(table["intervention"] == one.kind) & np.isclose(table["fraction"], fraction)]
    own, other = (
        cell[cell["selection"] == name].set_index("seed")[one.outcome]
        for name in (f"influence-{target}", control)
    )
    return (own - other).dropna().to_numpy(float)


def _of_one(differences: np.ndarray, confidence: float) -> dict[str, float]:
    """The line of one model; see `contrasts`."""
    found = statistics.Difference(*[np.nan] * 5)
    if len(differences):
        found = statistics.paired_difference(differences, np.zeros(len(differences)), confidence)
    spread = float(differences.std(ddof=1)) if len(differences) > 1 else np.nan
    return {
        "models": min(1, len(differences)),
        "orders": len(differences),
        **csv_tables.columns("difference", found),
        "between": np.nan,
        "within": spread,
    }


def _estimate(pairs: list[np.ndarray], confidence: float) -> dict[str, float]:
    if not pairs:
        nothing = csv_tables.columns("difference", statistics.Difference(*[np.nan] * 5))
        return {**nothing, "between": np.nan, "within": np.nan}
    found = two_sources.nested_difference(pairs, confidence)
    return {
        **csv_tables.columns("difference", found.difference),
        "between": found.between,
        "within": found.within,
    }
