"""Predicted and found changes by masking, of outcomes whose derivative is known."""

import numpy as np
import pandas as pd
import pytest

from mda.config import trajectory_section
from mda.evidence.finding import Settings
from mda.planning.cell import Cell
from mda.studies.linearity import finding, table

GENERATOR = np.random.default_rng(0)
STEPS, BATCH = 3, 5


def walk(gradients, rate):
    """The walk of plain gradient descent on losses that are linear, whose outcome is the last weight."""
    step, slot = np.divmod(np.arange(STEPS * BATCH), BATCH)
    return pd.DataFrame({"step": step, "update": 0, "slot": slot, "score": -rate * gradients / BATCH})


def trained(gradients, masked, rate):
    """The last weight of that training."""
    weight = 0.0
    for mine, gone in zip(gradients.reshape(STEPS, BATCH), masked.reshape(STEPS, BATCH), strict=True):
        if not gone.all():
            weight -= rate * mine[~gone].mean()
    return weight


@pytest.mark.parametrize("places", [[0], [0, 3, 7], [0, 1, 2, 3, 4], [*range(14)]])
def test_masking_is_predicted_exactly_where_the_training_is_linear(places):
    gradients, masked = GENERATOR.normal(size=STEPS * BATCH), np.zeros(STEPS * BATCH, bool)
    masked[places] = True
    actual = trained(gradients, masked, 0.1) - trained(gradients, np.zeros_like(masked), 0.1)
    assert table.predicted(walk(gradients, 0.1), masked) == pytest.approx(actual)
    assert actual != 0


def test_samples_are_found_by_their_place_whatever_the_order_of_the_lines():
    mine = walk(GENERATOR.normal(size=STEPS * BATCH), 1.0)
    stream = mine[table.PLACE].assign(role="train")
    stream.loc[[2, 11], "role"] = "masked"
    shuffled = stream.sample(frac=1, random_state=0)
    assert np.flatnonzero(table.masked_of(mine, shuffled)).tolist() == [2, 11]
    one = table.line(mine, shuffled, 0.25, 0.5)
    assert (one["samples"], one["without"], one["found"]) == (2, 0.25, 0.25)


def test_an_outcome_is_the_mean_over_evaluations_the_last_or_that_of_a_step():
    key = Cell("base", "none", 0.0, 3)
    steps = {"step": [9, 8, 7], "score_sum": 1.0, "score_soft_max": 2.0}
    runs = pd.concat(
        pd.DataFrame({"target": target, "score": scores, **steps}).assign(**key._asdict())
        for target, scores in (("unit", [0.5, 0.2, 0.2]), ("other", [9.0, 9.0, 9.0]))
    )

    def outcome(**settings):
        return trajectory_section.Outcome(name="x", target="unit", **settings)

    assert table.found(runs, outcome(measure="metric", when="mean"))[key] == pytest.approx(0.3)
    assert table.found(runs, outcome(measure="metric", when="end"))[key] == 0.5
    assert table.found(runs, outcome(measure="metric", when="step", step=8))[key] == 0.2
    assert table.found(runs, outcome(measure="metric_sum", when="end"))[key] == 1.0
    assert table.found(runs, outcome(measure="metric_soft_max", when="end"))[key] == 2.0


def test_a_slope_covers_the_true_one_as_often_as_it_says():
    hits = []
    for _ in range(2000):
        predicted = GENERATOR.normal(1.0, 0.2, size=6)
        found = 0.7 * predicted + GENERATOR.normal(0, 0.3, size=6)
        slope = table.slope(predicted, found, 0.9)
        hits.append(slope.low < 0.7 < slope.high)
    assert np.mean(hits) == pytest.approx(0.9, abs=0.02)
    assert np.isnan(table.slope(np.zeros(3), np.ones(3), 0.9).value)
    alone = table.slope(np.ones(1), np.array([2.0]), 0.9)
    assert (alone.value, np.isnan(alone.low)) == (2.0, True)


SETTINGS = Settings(fraction=0.1, confidence=0.95, start=0, scope="evidence", shuffled=True)


@pytest.mark.parametrize(
    ("factor", "noise", "holds"),
    [(1.0, 0.05, True), (0.2, 0.05, False), (1.0, 2.0, None), (3.0, 0.05, False)],
)
def test_a_prediction_holds_where_the_whole_interval_is_near(factor, noise, holds):
    predicted = GENERATOR.normal(-1.0, 0.1, size=6)
    lines = [
        {"target": "unit", "outcome": "o", "selection": selection, "fraction": fraction, "order": order,
         "predicted": value, "found": scale * value + noise * (-1) ** order}
        for selection, scale in (("random", 0.0), ("trajectory-unit", factor))
        for fraction, value_of in ((0.01, 0.1), (0.1, 1.0))
        for order, value in enumerate(value_of * predicted)
    ]  # fmt: skip
    measured = finding.follows({"linearity": pd.DataFrame(lines)}, "unit", SETTINGS)
    assert measured.holds is holds
    assert measured.seeds == 6
    assert "1 %: " in measured.note
    assert ("10 % masked: read these scores as a ranking" in measured.note) == (holds is False)
    assert finding.follows({"linearity": pd.DataFrame(lines)}, "another", SETTINGS) is None
    assert finding.follows({}, "unit", SETTINGS) is None
