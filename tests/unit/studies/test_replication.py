"""The planned tests in several models, and across them."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mda.evidence import planned_tests
from mda.studies.replication import table

CELLS = [("base", "none", 0.0)] + [
    (kind, selection, 0.1)
    for kind in ("replace", "duplicate", "augment")
    for selection in ("influence-unit", "random")
]


def outcomes(removal, generator, seeds=1, formed=True):
    """A table of outcomes: removal shifts the formation step by `removal` against random."""
    lines = []
    for seed in range(seeds):
        for kind, selection, fraction in CELLS:
            shift = removal if (kind, selection) == ("replace", "influence-unit") else 0.0
            lines.append(
                {
                    "target": "unit", "intervention": kind, "selection": selection, "fraction": fraction,
                    "seed": seed, "formed": formed, "score_area": generator.normal(0.5, 0.01),
                    "formation_step": 170 + shift + generator.normal(),
                }
            )  # fmt: skip
    return pd.DataFrame(lines)


def across(tables):
    found = table.replications(tables, 0.1, 60, 0.95)
    return found[found["experiment"] == "all"].set_index("test"), found


def test_an_effect_in_every_model_is_seen_across_them():
    generator = np.random.default_rng(0)
    tables = {f"seed-{number}": outcomes(10.0, generator) for number in range(6)}
    every, found = across(tables)
    assert len(found) == 3 * 7
    assert every["outcome"].to_dict() == {name: test.outcome for name, test in planned_tests.TESTS.items()}
    own = found[(found["test"] == "removal") & (found["experiment"] != "all")]["to_random"]
    wanted = stats.ttest_1samp(own, 0)
    assert every.loc["removal", "to_random"] == pytest.approx(own.mean())
    assert every.loc["removal", "to_random_p"] == pytest.approx(wanted.pvalue)
    assert every.loc["removal", "planned_q"] == pytest.approx(3 * wanted.pvalue)
    # One order of a model has no interval of its own.
    assert found[found["experiment"] == "seed-0"]["to_random_low"].isna().all()
    assert every.loc["duplication", "planned_q"] > 0.05


def test_orders_of_a_model_are_no_further_models():
    """The interval over models is of their means: more orders do not make it narrower by themselves."""
    generator = np.random.default_rng(1)
    effects = (30.0, -10.0, 25.0, -20.0)
    tables = {f"seed-{n}": outcomes(shift, generator, seeds=20) for n, shift in enumerate(effects)}
    every, found = across(tables)
    line = every.loc["removal"]
    assert line["runs"] == 4
    assert line["to_random_low"] < 0 < line["to_random_high"]
    own = found[(found["test"] == "removal") & (found["experiment"] == "seed-0")].iloc[0]
    assert own["to_random_low"] > 20


def test_models_in_which_nothing_forms_are_left_out():
    generator = np.random.default_rng(2)
    tables = {f"seed-{n}": outcomes(10.0, generator) for n in range(3)}
    tables["not"] = outcomes(1000.0, generator, formed=False)
    tables["before"] = outcomes(1000.0, generator).assign(formation_step=60.0)
    every, found = across(tables)
    assert every.loc["removal", "runs"] == 3
    assert every.loc["removal", "to_random"] == pytest.approx(10, abs=5)
    assert not found[found["experiment"].isin(["not", "before"])]["forms"].any()
    nothing, _ = across({"not": tables["not"]})
    assert not nothing["forms"].any()
    assert nothing["to_random"].isna().all()
