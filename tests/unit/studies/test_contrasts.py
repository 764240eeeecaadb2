"""Planned contrasts over models: which runs are compared, and how they are corrected."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mda.config.study_sections import Contrast
from mda.runtime.errors import UserError
from mda.studies.contrasts import table

PLANNED = [
    Contrast(kind="replace", control="random", outcome="formation_step"),
    Contrast(kind="replace", control="matched", outcome="formation_step"),
    Contrast(kind="duplicate", control="repetition", outcome="sum_area"),
]
CELLS = [
    ("base", "none", 0.0),
    *(("replace", name, 0.1) for name in ("influence-class", "random", "matched-class", "loss")),
    ("replace", "influence-class", 0.2),
    *(("duplicate", name, 0.1) for name in ("influence-class", "repetition")),
]


def outcomes(shifts, orders=4, formed=True, seed=0):
    """A model's outcomes, with the shift of each cell, and 0 where none is given."""
    generator = np.random.default_rng(seed)
    lines = []
    for order in range(orders):
        common = generator.normal(0, 20)
        for cell in CELLS:
            value = 170 + common + shifts.get(cell[:2], 0.0) + (1000 if cell[2] == 0.2 else 0)
            line = dict(zip(("intervention", "selection", "fraction"), cell, strict=True))
            lines.append(
                {
                    "target": "class", **line, "seed": order, "formed": formed,
                    "formation_step": value + generator.normal(), "sum_area": value / 100,
                }
            )  # fmt: skip
    return pd.DataFrame(lines)


def run(models, planned=PLANNED):
    found = table.contrasts(models, planned, 0.1, 60, 0.95)
    return found.set_index(["intervention", "control"])


def test_each_contrast_is_influence_minus_its_control_paired_by_order():
    shifts = {("replace", "influence-class"): 10.0, ("replace", "matched-class"): 4.0}
    shifts |= {("duplicate", "influence-class"): -30.0, ("duplicate", "repetition"): -50.0}
    models = {f"model-{n}": outcomes(shifts, seed=n) for n in range(5)}
    found = run(models)
    assert found["models"].tolist() == [5, 5, 5]
    assert found["orders"].tolist() == [20, 20, 20]
    assert found["difference"].tolist() == pytest.approx([10, 6, 0.2], abs=1.5)
    assert found.loc[("duplicate", "repetition"), "difference"] == pytest.approx(0.2)
    # What the orders of a model have in common, 20 steps, is no part of a difference.
    assert found.loc[("replace", "random"), "within"] == pytest.approx(np.sqrt(2), rel=0.5)
    means = []
    for model in models.values():
        steps = model[model["fraction"] == 0.1].pivot(index="seed", columns=["intervention", "selection"])
        steps = steps["formation_step"]["replace"]
        means.append((steps["influence-class"] - steps["random"]).mean())
    assert found.loc[("replace", "random"), "difference_p"] == pytest.approx(
        stats.ttest_1samp(means, 0).pvalue
    )


def test_p_values_are_corrected_for_the_planned_contrasts():
    models = {f"model-{n}": outcomes({("replace", "influence-class"): 2.0}, seed=n) for n in range(5)}
    found = run(models, PLANNED[:2])
    low, high = sorted(found["difference_p"])
    assert sorted(found["difference_q"]) == pytest.approx([min(1, 2 * low), max(high, min(1, 2 * low))])


def test_models_that_do_not_form_and_runs_that_are_missing_do_not_count():
    shifts = {("replace", "influence-class"): 10.0}
    models = {f"model-{n}": outcomes(shifts, seed=n) for n in range(3)}
    models["never"] = outcomes({("replace", "influence-class"): 900.0}, formed=False)
    models["before"] = outcomes(shifts).assign(formation_step=60.0)
    part = outcomes(shifts, seed=9)
    models["part"] = part[(part["seed"] < 2) & (part["intervention"] != "duplicate")]
    found = run(models)
    assert found["models"].tolist() == [4, 4, 3]
    assert found["orders"].tolist() == [14, 14, 12]
    nothing = run({"never": models["never"]})
    assert nothing["models"].tolist() == [0, 0, 0]
    assert nothing[["difference", "difference_p", "difference_q", "between"]].isna().all(axis=None)


def test_outcomes_of_an_earlier_version_are_named():
    planned = [Contrast(kind="replace", control="random", outcome="sum_area")]
    old = pd.DataFrame({"target": ["unit"], "intervention": ["base"], "formation_step": [3.0]})
    with pytest.raises(UserError, match="the outcomes of twin have no sum_area, for they are of an earlier"):
        table.contrasts({"twin": old}, planned, 0.1, 0, 0.95)
