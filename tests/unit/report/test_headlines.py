"""The first lines of the report say what the planned tests found, and how sure it is."""

import numpy as np
import pandas as pd
import pytest

from mda.evidence import finding, planned_tests
from mda.report import headlines
from mda.studies import findings

SETTINGS = finding.Settings(0.1, 0.95, 60, "tables", True)


def line(**more):
    return pd.Series(
        {"value": 15.04, "low": 1.02, "high": 29.1, "runs": 4, "detectable": 27.4, "note": "", **more}
    )


def test_an_effect_is_told_with_its_interval_its_runs_and_its_power():
    said = headlines.sentence("removal", line(verdict=finding.REPRODUCED), "95")
    assert said == (
        "Removing the samples of highest influence makes the unit form 15 steps later [1,\u00a029] than "
        "removing random samples does (95 % interval, 4 runs). Underpowered: 4 runs find an effect of 27.4 "
        "steps four times out of five, and this one is smaller: it may look larger than it is."
    )


def test_what_is_not_shown_is_said():
    said = headlines.sentence("removal", line(verdict=finding.NOT_REPRODUCED, low=-3.0), "95")
    assert "So the claim is not shown." in said
    assert "[-3,\u00a029]" in said


def test_the_direction_is_that_of_the_number():
    earlier = line(value=-7.2, low=-11.6, high=-2.7, verdict=finding.REPRODUCED)
    assert "form 7.2 steps earlier [2.7,\u00a011.6] than showing" in headlines.sentence(
        "duplication", earlier, "95"
    )
    higher = line(value=0.0312, low=0.012, high=0.051, verdict=finding.REPRODUCED)
    assert "metric 0.031 higher [0.012,\u00a00.051]" in headlines.sentence("augmentation", higher, "95")


@pytest.mark.parametrize("note", ["the unit does not form in the window", "", np.nan])
def test_what_tells_nothing_says_why(note):
    """And no number, which would be taken for an answer."""
    why = note if isinstance(note, str) and note else "its table does not say why"
    for value, verdict in ((15.0, finding.CANNOT_TELL), (np.nan, finding.INCONCLUSIVE)):
        unknown = line(verdict=verdict, note=note, value=value)
        said = headlines.sentence("removal", unknown, "95")
        assert said == f"Removing the samples of highest influence: this cannot be told, for {why}."
    said = headlines.sentence("removal", line(verdict=finding.NOT_RUN, value=np.nan, note="needs runs"), "95")
    assert said == (
        "Removing the samples of highest influence, against removing random samples: not run, needs runs."
    )


@pytest.mark.parametrize("verdict", [finding.YES, finding.NO, finding.INCONCLUSIVE, finding.NOT_RUN])
@pytest.mark.parametrize("control", ["repetition", "loss"])
def test_influence_against_cheaper_ways_to_select_is_told_either_way(control, verdict):
    value = np.nan if verdict == finding.NOT_RUN else 8.6
    told = line(verdict=verdict, value=value, low=-3.1, high=20.2, detectable=15.6, note="too few runs")
    said = headlines.sentence(f"beyond-{control}", told, "95")
    assert said.startswith(f"Better than {'repetition' if control == 'repetition' else 'the loss'}? ")
    assert ("8.6" in said or "9 steps later" in said) == (verdict != finding.NOT_RUN)
    assert ("not shown to select better" in said) == (verdict == finding.NO)
    assert ("too few runs" in said) == (verdict in (finding.INCONCLUSIVE, finding.NOT_RUN))


def test_one_run_has_no_interval():
    one = line(verdict=finding.NOT_REPRODUCED, low=np.nan, high=np.nan, runs=1, detectable=np.nan)
    said = headlines.sentence("removal", one, "95")
    assert said.endswith("than removing random samples does (1 run). So the claim is not shown.")


def test_every_planned_test_and_cheaper_way_is_told_of_every_target():
    found = findings.judge({}, ["one", "two"], SETTINGS)
    shown = headlines.headlines(found, [], "95")
    assert [part["target"] for part in shown] == ["one", "two"]
    assert all(len(part["answers"]) == len(headlines.DONE) for part in shown)
    assert headlines.DONE.keys() == planned_tests.TESTS.keys() | {"beyond-repetition", "beyond-loss"}


def test_other_claims_that_are_not_reproduced_stand_beside_the_answers():
    found = findings.judge({}, ["one", "two"], SETTINGS)
    other = (found["target"] == "one") & (found["finding"] == "tail")
    assert other.sum() == 1
    found.loc[other | (found["finding"] == "removal"), "verdict"] = finding.NOT_REPRODUCED
    one, two = headlines.headlines(found, [], "95")
    [(name, claim)] = one["against"]
    assert (name, claim) == ("tail", found.loc[other, "claim"].item())
    assert two["against"] == []
