"""The planned tests in models from other initial weights, and across them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mda.evidence import csv_tables, effect_table, planned_tests, statistics
from mda.planning.cell import BASE


def replications(
    outcomes: Mapping[str, pd.DataFrame], fraction: float, start: int, confidence: float
) -> pd.DataFrame:
    """The planned tests in other experiments, and across them.

    Args:
        outcomes: experiment -> its table from `mda.evidence.effect_table.outcomes`.
        start: the step at which branches begin.

    Returns:
        A line for each target, test (with its outcome) and experiment, and one of `all`: forms (whether the
        unit forms in most base runs, and not before `start`), runs (pairs, or of `all` experiments in which
        it forms), and the difference of influence to random as `to_random`... of
        `mda.evidence.effect_table.compare`, with the `planned_q` and `planned_detectable` of
        `mda.evidence.planned_tests.Corrected`. That of `all` is Student's t over the experiments' means.
    """
    lines = []
    for target in dict.fromkeys(target for table in outcomes.values() for target in table["target"]):
        for name, test in planned_tests.TESTS.items():
            place = {"target": target, "test": name, "outcome": test.outcome}
            found = [
                place
                | {"experiment": experiment}
                | _difference(
                    table[table["target"] == target], str(target), test, fraction, start, confidence
                )
                for experiment, table in outcomes.items()
            ]
            means = np.array([line["to_random"] for line in found if line["forms"]])
            means = means[~np.isnan(means)]
            across: dict[str, Any] = {"forms": len(means) > 0, "runs": len(means)}
            if len(means):
                difference = statistics.paired_difference(means, np.zeros(len(means)), confidence)
                across |= csv_tables.columns("to_random", difference)
            lines += [*found, {**place, "experiment": "all", **across}]
    table = pd.DataFrame(lines)
    table = table.assign(planned_q=np.nan, planned_detectable=np.nan)
    for _, mine in table[table["to_random"].notna()].groupby(["target", "experiment"]):
        tests = {str(line["test"]): line for _, line in mine.iterrows()}
        for name, one in planned_tests.together(tests, "runs", confidence).items():
            table.loc[tests[name].name, ["planned_q", "planned_detectable"]] = [*one]
    return table


def _difference(
    table: pd.DataFrame, target: str, test: planned_tests.Test, fraction: float, start: int, confidence: float
) -> dict[str, Any]:
    base = table[table["intervention"] == BASE]
    kind = next((kind for kind in test.kinds if (table["intervention"] == kind).any()), test.kinds[0])
    cell = table[(table["intervention"] == kind) & np.isclose(table["fraction"], fraction)]
    own, control = (cell[cell["selection"] == name] for name in (f"influence-{target}", "random"))
    forms = statistics.forms_in_window(base["formed"].mean(), base["formation_step"].mean(), start)
    return {
        "forms": forms,
        "runs": len(own),
        **effect_table.compare(own, control, test.outcome, "to_random", confidence),
    }
