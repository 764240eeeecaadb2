"""The tests that were planned: the main claim of each intervention, against the same at random.

They are few and fixed here, so that they are corrected for their own number (Holm 1979), and not for the
number of all cells of a table, which is exploration. On runs that were seen before the tests were fixed they
are exploration as well. Of the shipped experiments that is the default experiment; its replications had not
been run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

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


class Corrected(NamedTuple):
    """What the correction for the number of planned tests makes of one of them.

    Attributes:
        q: its p-value, corrected (Holm 1979).
        detectable: the smallest true effect that so many runs find four times out of five at the strictest
            level of the correction, that of the smallest of the p-values.
    """

    q: float
    detectable: float


def corrected(p_values: Mapping[str, float]) -> dict[str, float]:
    """Test -> its p-value corrected for the number of those here; a nan is no test."""
    known = {name: value for name, value in p_values.items() if not np.isnan(value)}
    return dict(zip(known, statistics.family_adjusted(list(known.values())), strict=True))


def lines_of(effects: pd.DataFrame, target: str, fraction: float) -> dict[str, pd.Series]:
    """The line of each planned test of a target in a table of effects, where it was run against random."""
    mine = effects[
        (effects["target"] == target)
        & (effects["selection"] == f"influence-{target}")
        & np.isclose(effects["fraction"], fraction)
    ]
    found = {}
    for name, test in TESTS.items():
        of_test = mine[mine["outcome"] == test.outcome]
        of_kinds = (of_test[of_test["intervention"] == kind] for kind in test.kinds)
        line = next((cells.iloc[0] for cells in of_kinds if len(cells)), None)
        if line is not None and not np.isnan(line["to_random"]):
            found[name] = line
    return found


def together(lines: Mapping[str, pd.Series], number: str, confidence: float) -> dict[str, Corrected]:
    """The planned tests of one table that have a p-value, each corrected for their number.

    Args:
        lines: test -> its line, with `to_random`... of `mda.evidence.effect_table.compare`.
        number: the column with the number of its pairs.
        confidence: of the intervals; `to_random_detectable` is of a test at this confidence.
    """
    # Where every run came out as its pair did, nothing was tested.
    p_values = {
        name: np.nan if line["to_random_low"] == line["to_random_high"] == 0 else line["to_random_p"]
        for name, line in lines.items()
    }
    corrections = corrected(p_values)
    strictest, found = 1 - (1 - confidence) / max(1, len(corrections)), {}
    for name, q in corrections.items():
        shifts = [statistics.detectable_shift(int(lines[name][number]), of) for of in (strictest, confidence)]
        found[name] = Corrected(q, lines[name]["to_random_detectable"] * shifts[0] / shifts[1])
    return found


def marked(effects: pd.DataFrame, fraction: float, confidence: float) -> pd.DataFrame:
    """A table of effects with `planned_q` and `planned_detectable` (`Corrected`); nan of other lines."""
    found = effects.copy()
    # Beside the p-value, before the corrections for looking around.
    place = found.columns.get_loc("to_random_p") + 1
    for name in ("planned_detectable", "planned_q"):
        found.insert(place, name, np.nan)
    for target in dict.fromkeys(effects["target"]):
        lines = lines_of(effects, str(target), fraction)
        for name, one in together(lines, "seeds", confidence).items():
            found.loc[lines[name].name, ["planned_q", "planned_detectable"]] = [*one]
    return found
