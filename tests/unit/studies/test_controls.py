"""Selecting by influence against other ways to select."""

import pandas as pd
import pytest

from mda.evidence.effect_table import OUTCOMES
from mda.studies.controls import table


def run(selection, seed, step):
    """The outcomes of a run without the samples of a selection, in which the unit forms at a step."""
    line = {
        "target": "unit",
        "intervention": "replace",
        "selection": selection,
        "fraction": 0.1,
        "seed": seed,
    }
    return line | dict.fromkeys(OUTCOMES, 0.01 * seed) | {"formation_step": step}


def test_influence_against_its_controls_knows_the_direction():
    runs = []
    for seed, noise in enumerate((20.0, 21.0, 23.0)):
        runs += [
            run("influence-unit", seed, noise + 5),
            run("loss", seed, noise + 2 + 0.1 * seed),
            run("random", seed, noise + 9 - 0.1 * seed),
            # Not of this target.
            run("influence-other", seed, noise),
            run("bm25-other", seed, noise),
        ]
    found = table.against_controls(pd.DataFrame(runs), "replace", 0.1, 0.95)
    assert set(found["control"]) == {"loss", "random"}
    found = found.set_index(["control", "outcome"])
    assert found.loc[("loss", "formation_step"), "beyond"] == pytest.approx(2.9)
    assert found.loc[("loss", "formation_step"), "stronger"]
    assert found.loc[("random", "formation_step"), "beyond"] == pytest.approx(-3.9)
    assert not found.loc[("random", "formation_step"), "stronger"]
    # Random counts among the tests, and its own corrected p-value stands in one place, the table of effects.
    assert found.loc[("random", "formation_step"), "beyond_p"] < 0.05
    assert pd.isna(found.loc[("random", "formation_step"), "beyond_q"])
    loss = found.loc[("loss", "formation_step")]
    assert loss["beyond_q"] >= loss["beyond_p"]
