"""The tests that were planned, corrected for their own number."""

import numpy as np
import pandas as pd
import pytest

from mda.evidence import effect_table, finding, planned_tests
from mda.studies import findings


def test_tests_that_are_not_there_do_not_count():
    assert planned_tests.corrected({"removal": 0.02, "duplication": np.nan}) == {"removal": 0.02}
    assert planned_tests.corrected(
        {"removal": 0.02, "duplication": 0.5, "augmentation": 0.03}
    ) == pytest.approx({"removal": 0.06, "duplication": 0.5, "augmentation": 0.06})


@pytest.fixture(scope="module")
def table():
    """The effects of runs in which removal, duplication and imitation move the unit."""
    generator = np.random.default_rng(0)
    lines = []
    shifts = {"none": 0.0, "replace": 9.0, "duplicate": -5.0, "augment": -4.0, "mask": 7.0}
    for kind, shift in shifts.items():
        names = ("none",) if kind == "none" else ("influence-unit", "random", "loss")
        for selection in names:
            for seed in range(4):
                own = shift if selection == "influence-unit" else 0.0
                step = 170 + own + 2 * seed + generator.normal(0, 2)
                lines.append(
                    {
                        "target": "unit", "intervention": "base" if kind == "none" else kind,
                        "selection": selection, "fraction": 0.0 if kind == "none" else 0.1, "seed": seed,
                        "formed": True, "sum_formed": 1.0, **dict.fromkeys(effect_table.OUTCOMES, step),
                        "score_area": -step / 100, "score_final": -step / 100,
                    }
                )  # fmt: skip
    found = effect_table.effects(pd.DataFrame(lines), 0.95)
    return planned_tests.marked(found, 0.1, 0.95)


def test_the_table_has_the_corrected_p_value_and_the_detectable_effect_that_findings_tell(table):
    """One definition of each, in both places."""
    settings = finding.Settings(0.1, 0.95, 60, "tables", True)
    judged = findings.judge({"effects": table}, ["unit"], settings).set_index("finding")
    marked = table[table["planned_q"].notna()]
    assert len(marked) == len(planned_tests.TESTS) == 3
    for name, test in planned_tests.TESTS.items():
        [line] = marked[
            (marked["outcome"] == test.outcome) & (marked["intervention"] == test.kinds[0])
        ].to_dict("records")
        assert line["selection"] == "influence-unit"
        assert judged.loc[name, "detectable"] == line["planned_detectable"] > line["to_random_detectable"]
        told = f"p {line['to_random_p']:.2g}; corrected for 3 planned tests, {line['planned_q']:.2g} (Holm)"
        assert judged.loc[name, "note"].startswith(told)
        assert (judged.loc[name, "verdict"] == finding.REPRODUCED) == (line["planned_q"] < 0.05)


def test_planned_tests_are_of_the_share_that_was_planned(table):
    other = planned_tests.marked(table.drop(columns=["planned_q", "planned_detectable"]), 0.2, 0.95)
    assert other[["planned_q", "planned_detectable"]].isna().all(axis=None)
    # Beside the p-value that they are of.
    names = list(table.columns)
    assert names[names.index("to_random_p") + 1 :][:2] == ["planned_q", "planned_detectable"]
