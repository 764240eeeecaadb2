"""What removing the samples of one unit does to every head, on runs whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from mda.planning.cell import Cell
from mda.studies.crossed import table as crossed

GENERATOR = np.random.default_rng(0)


def heads(shifts):
    """Curves of heads that rise to one plus their shift."""
    return pd.DataFrame(
        [
            {
                "step": step,
                "layer": 0,
                "head": head,
                "prefix_matching": step * (1 + shift),
                "previous_token": 0.5,
            }
            for step in (0, 1, 2)
            for head, shift in enumerate(shifts)
        ]
    )


def removal_runs():
    cells = []
    for seed in range(4):
        noise = GENERATOR.normal(0, 0.01, 3)
        cells.append((Cell("base", "none", 0.0, seed), heads(noise)))
        cells.append((Cell("replace", "random", 0.1, seed), heads(noise)))
        wobble = np.array([0, 0, 0.002 * (seed + 1)])
        cells.append((Cell("replace", "influence-a", 0.1, seed), heads(noise - [0.5, 0.4, 0] - wobble)))
    return pd.concat([crossed.areas(cell, table) for cell, table in cells])


def test_effects_on_every_head_are_against_random():
    final = {"L0H0": 1.0, "L0H1": 0.9, "L0H2": 0.0}
    found = crossed.effects(removal_runs(), {"a": ["L0H0"]}, final, 0.5, 0.95)
    rows = found[found["metric"] == "prefix_matching"].set_index("head")
    assert rows["to_random"].tolist() == pytest.approx([-0.5, -0.4, -0.005], abs=1e-9)
    assert rows["own"].tolist() == [True, False, False]
    assert rows["induction"].tolist() == [True, True, False]


def test_the_contrast_leaves_the_units_own_heads_out():
    final = {"L0H0": 1.0, "L0H1": 0.9, "L0H2": 0.0}
    runs = removal_runs()
    found = crossed.effects(runs, {"a": ["L0H0"]}, final, 0.5, 0.95)
    assert found["contrast"].nunique() == 1
    line = found.iloc[0]
    [base] = (
        runs[(runs["head"] == "L0H1") & (runs["metric"] == "prefix_matching")]
        .groupby("intervention")["area"]
        .mean()[["base"]]
    )
    assert line["induction_change"] == pytest.approx(-0.4 / base)
    # Without heads of both sorts there is nothing to hold against each other.
    alike = crossed.effects(removal_runs(), {"a": ["L0H0"]}, {**final, "L0H2": 1.0}, 0.5, 0.95)
    assert alike["contrast"].isna().all()


def test_a_head_without_prefix_matching_is_judged_by_what_it_has():
    """Here it loses as much of its previous-token score as the induction head of its own."""

    def table(induction, previous):
        return pd.DataFrame(
            [
                {"step": step, "layer": 0, "head": head, "prefix_matching": prefix, "previous_token": token}
                for step in (0, 1)
                for head, prefix, token in ((0, 0.5, 0.1), (1, induction, 0.1), (2, 0.001, previous))
            ]
        )

    parts = []
    for seed in range(3):
        wobble = 0.001 * (seed - 1)
        parts += [
            crossed.areas(Cell("base", "none", 0.0, seed), table(0.5, 0.8)),
            crossed.areas(Cell("replace", "random", 0.1, seed), table(0.5, 0.8)),
            crossed.areas(Cell("replace", "influence-a", 0.1, seed), table(0.4 + wobble, 0.64)),
        ]
    final = {"L0H0": 1.0, "L0H1": 0.9, "L0H2": 0.0}
    line = crossed.effects(pd.concat(parts), {"a": ["L0H0"]}, final, 0.5, 0.95).iloc[0]
    assert line["induction_change"] == pytest.approx(-0.2, abs=1e-6)
    assert line["rest_change"] == pytest.approx(-0.2, abs=1e-6)
    assert line["contrast_low"] < 0 < line["contrast_high"]


@pytest.mark.parametrize(
    ("rest", "tenfold"), [(0.01, True), (-0.01, True), (0.029, False), (-0.029, False), (0.06, False)]
)
def test_ten_times_is_held_against_the_spread_over_seeds(rest, tenfold):
    parts = []
    for seed in range(4):
        noise = 0.01 * (seed - 1.5)
        for kind, chosen, lost, other in (
            ("base", "none", 0.0, 0.0),
            ("replace", "random", 0.0, 0.0),
            ("replace", "influence-a", 0.3, rest),
        ):
            heads = ((0, 0.5, 0.1), (1, 0.5 * (1 - lost + noise * (lost > 0)), 0.1), (2, 0.001, 1 - other))
            table = pd.DataFrame(
                [
                    {
                        "step": step,
                        "layer": 0,
                        "head": head,
                        "prefix_matching": prefix,
                        "previous_token": token,
                    }
                    for step in (0, 1)
                    for head, prefix, token in heads
                ]
            )
            parts.append(crossed.areas(Cell(kind, chosen, 0.1 * (kind != "base"), seed), table))
    final = {"L0H0": 1.0, "L0H1": 0.9, "L0H2": 0.0}
    line = crossed.effects(pd.concat(parts), {"a": ["L0H0"]}, final, 0.5, 0.95).iloc[0]
    assert line["contrast_high"] < 0
    assert (line["tenfold_high"] < 0) == tenfold
