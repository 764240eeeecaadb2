"""The tests that were planned: the main claim of each intervention, against the same at random.

They are few and fixed here, so that they are corrected for their own number (Holm 1979) and not for that of
all cells of a table, which explores. On runs that were seen before they were fixed they only explore, too: of
the shipped experiments that is the embedded default; its replications had not been run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mda.evidence import effect_table, statistics
from mda.planning.cell import BASE


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


def replications(
    outcomes: Mapping[str, pd.DataFrame], fraction: float, start: int, confidence: float
) -> pd.DataFrame:
    """The planned tests in other experiments, and across them.

    Args:
        outcomes: experiment -> its table from `evidence.outcomes`.
        start: the step at which branches begin.

    Returns:
        A line a target, test (with its outcome) and experiment, and one of `all`: forms (whether the unit
        forms in most base runs, and not before `start`), runs (pairs, or of `all` experiments in which it
        forms), and the difference of influence to random as `to_random`... of `evidence.compare`, with `_q`
        corrected for the number of tests. That of `all` is Student's t over the experiments' means.
    """
    lines = []
    for target in dict.fromkeys(target for table in outcomes.values() for target in table["target"]):
        for name, test in TESTS.items():
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
                across |= effect_table.columns(difference, "to_random")
            lines += [*found, {**place, "experiment": "all", **across}]
    table = pd.DataFrame(lines)
    groups = table.groupby(["target", "experiment"])["to_random_p"]
    corrections = groups.transform(lambda p: pd.Series(corrected(p.to_dict()), dtype=float).reindex(p.index))
    return table.assign(to_random_q=corrections)


def _difference(
    table: pd.DataFrame, target: str, test: Test, fraction: float, start: int, confidence: float
) -> dict[str, Any]:
    base = table[table["intervention"] == BASE]
    kind = next((kind for kind in test.kinds if (table["intervention"] == kind).any()), test.kinds[0])
    cell = table[(table["intervention"] == kind) & np.isclose(table["fraction"], fraction)]
    own, control = (cell[cell["selection"] == name] for name in (f"influence-{target}", "random"))
    forms = bool(base["formed"].mean() >= 0.5 and base["formation_step"].mean() > start)
    return {
        "forms": forms,
        "runs": len(own),
        **effect_table.compare(own, control, test.outcome, "to_random", confidence),
    }
