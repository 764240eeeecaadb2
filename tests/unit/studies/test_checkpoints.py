"""Which checkpoint selects best: chosen on some orders, judged on others."""

import numpy as np
import pandas as pd
import pytest

from mda.config import consistency
from mda.evidence import csv_tables, finding, statistics
from mda.planning import design, variants
from mda.planning.cell import Cell
from mda.runtime.errors import UserError
from mda.studies import figures, findings
from mda.studies.checkpoints import table

SELECTIONS = ("random", "influence-unit", "at60-unit", "at180-unit", "checkpoints-unit")


def outcomes(shifts, orders=6, noise=1.0, seed=0):
    """Runs in which removal by each selection delays the unit by its shift, and lowers its mean score."""
    generator = np.random.default_rng(seed)
    lines = []
    for order in range(orders):
        common = generator.normal(0, 20)
        # Of another target, another fraction and another intervention: none of these counts.
        for selection in (*SELECTIONS, "at60-other", "loss", "matched-unit"):
            for kind, fraction in (("replace", 0.1), ("replace", 0.2), ("duplicate", 0.1)):
                step = 170 + common + noise * generator.normal()
                if (kind, fraction) == ("replace", 0.1):
                    step += shifts.get(selection, 0.0)
                lines.append(
                    {
                        "target": "unit", "intervention": kind, "selection": selection, "fraction": fraction,
                        "seed": order, "formation_step": step, "score_area": 1 - step / 1000,
                    }
                )  # fmt: skip
    return pd.DataFrame(lines)


def found(runs):
    return table.checkpoints(runs, 120, 0.1, 0.95)


def of(lines, outcome="formation_step"):
    return lines[lines["outcome"] == outcome].set_index("scores")


def test_differences_are_paired_with_random_and_with_the_configured_checkpoint():
    runs = outcomes({"influence-unit": 10.0, "at60-unit": 4.0, "at180-unit": 30.0})
    lines = of(found(runs))
    assert list(lines.index) == ["checkpoint-120", "checkpoint-60", "checkpoint-180", "mean", "chosen"]
    steps = runs[np.isclose(runs["fraction"], 0.1) & (runs["intervention"] == "replace")]
    steps = steps.pivot(index="seed", columns="selection", values="formation_step")
    for scores, selection in (("checkpoint-120", "influence-unit"), ("checkpoint-60", "at60-unit")):
        expected = statistics.paired_difference(steps[selection], steps["random"], 0.95)
        assert tuple(lines.loc[scores, [f"to_random{end}" for end in ("", "_low", "_high", "_p")]]) == (
            pytest.approx(expected[:4])
        )
    expected = statistics.paired_difference(steps["at60-unit"], steps["influence-unit"], 0.95)
    assert lines.loc["checkpoint-60", "to_configured_p"] == pytest.approx(expected.p_value)
    assert lines.loc["checkpoint-120", "to_configured"] == 0
    # Three others are tested.
    known = lines["to_configured_q"].dropna()
    assert set(known.index) == {"checkpoint-60", "checkpoint-180", "mean"}


@pytest.mark.parametrize("outcome", table.COMPARED)
def test_what_is_much_better_is_chosen_by_half_of_the_orders_and_judged_by_the_others(outcome):
    """Later is stronger for the step, and lower for the score."""
    runs = outcomes({"influence-unit": 10.0, "at60-unit": 4.0, "at180-unit": 30.0}, orders=7)
    # What the judging orders say has no part in the choice.
    against = (runs["seed"] >= 3) & (runs["selection"] == "at180-unit") & np.isclose(runs["fraction"], 0.1)
    runs.loc[against, "formation_step"] -= 100
    runs.loc[against, "score_area"] += 0.1
    line = of(found(runs), outcome).loc["chosen"]
    assert (line["picked"], line["seeds"]) == ("checkpoint-180", 4)
    steps = runs[
        np.isclose(runs["fraction"], 0.1) & (runs["intervention"] == "replace") & (runs["seed"] >= 3)
    ]
    steps = steps.pivot(index="seed", columns="selection", values=outcome)
    expected = statistics.paired_difference(steps["at180-unit"], steps["influence-unit"], 0.95)
    assert line["to_configured"] == pytest.approx(expected.mean)
    assert line["to_configured_p"] == pytest.approx(expected.p_value)


def test_the_best_of_equals_is_no_better_on_other_orders():
    """The best by its own orders seems better. Chosen by others it does not, and its interval says so."""
    best, chosen, covered = [], [], []
    for seed in range(40):
        lines = of(found(outcomes(dict.fromkeys(SELECTIONS[1:], 10.0), orders=8, noise=10.0, seed=seed)))
        best.append(lines["to_random"].drop("chosen").max())
        line = lines.loc["chosen"]
        chosen.append(line["to_random"])
        covered.append(line["to_random_low"] < 10 < line["to_random_high"])
    error = np.std(chosen) / np.sqrt(len(chosen))
    assert np.mean(best) > 10 + 3 * error
    assert abs(np.mean(chosen) - 10) < 3 * error
    assert np.mean(covered) > 0.88


def test_of_equals_the_configured_checkpoint_is_chosen():
    line = of(found(outcomes(dict.fromkeys(SELECTIONS[1:], 10.0), noise=0.0))).loc["chosen"]
    assert (line["picked"], line["to_configured"]) == ("checkpoint-120", 0)


def verdict(shifts, **options):
    settings = finding.Settings(0.1, 0.95, 60, "evidence", True)
    judged = findings.judge({"checkpoints": found(outcomes(shifts, **options))}, ["unit"], settings)
    line = judged.set_index("finding").loc["other-checkpoints"]
    # Whether the unit forms is another table's business.
    measured = findings.checkpoints.chosen(
        {"checkpoints": found(outcomes(shifts, **options))}, "unit", settings
    )
    assert line["note"].startswith(measured.note)
    return finding.verdict(findings.checkpoints.FINDING, measured, True), measured.note


def test_another_checkpoint_is_better_if_its_lead_is_told_on_other_orders():
    assert verdict({"influence-unit": 10.0, "at180-unit": 30.0}) == (
        finding.YES, "chosen in the other 3 orders: checkpoint-180"
    )  # fmt: skip
    # Nothing was compared.
    assert verdict({"influence-unit": 30.0, "at180-unit": 10.0}) == (
        finding.INCONCLUSIVE,
        "chosen in the other 3 orders: checkpoint-120, the configured one, so no other was judged",
    )  # fmt: skip
    assert verdict({"influence-unit": 10.0, "at180-unit": 30.0}, orders=1)[0] == finding.INCONCLUSIVE
    told, note = verdict({"influence-unit": 2.0, "at180-unit": 3.0}, noise=20.0, orders=4)
    assert told == finding.INCONCLUSIVE
    assert note.endswith("; 2 orders are too few to say no")
    told, note = verdict({"influence-unit": 2.0, "at180-unit": 3.0}, noise=20.0)
    assert told == finding.INCONCLUSIVE
    assert note.endswith("; too few runs to tell less than the whole effect")


def worse(orders):
    """Runs in which the checkpoint that the first half of the orders choose does much worse in the others."""
    runs = outcomes({"influence-unit": 10.0, "at180-unit": 30.0}, orders=orders)
    runs.loc[(runs["seed"] >= orders // 2) & (runs["selection"] == "at180-unit"), "formation_step"] -= 100
    return {"checkpoints": found(runs)}


def test_no_is_said_by_three_orders_or_more():
    settings = finding.Settings(0.1, 0.95, 60, "evidence", True)
    told = [findings.checkpoints.chosen(worse(orders), "unit", settings) for orders in (4, 5)]
    assert [(one.seeds, one.high < 0, one.holds) for one in told] == [(2, True, None), (3, True, False)]


@pytest.mark.parametrize(("orders", "picked"), [(1, "none"), (6, "checkpoint-180")])
def test_the_title_says_what_was_chosen_when_read_from_the_file(tmp_path, orders, picked):
    runs = outcomes({"influence-unit": 10.0, "at180-unit": 30.0}, orders=orders)
    found(runs).to_csv(tmp_path / "checkpoints.csv", index=False)
    palette = {"influence": "#333333"}
    figure = figures.draw("checkpoints", csv_tables.read(tmp_path / "checkpoints.csv"), palette)
    assert [axis.get_title(loc="left") for axis in figure.axes] == [f"unit\nchosen: {picked}"] * 2


def test_selections_by_checkpoint_are_trained_only_on_request(override):
    settings = consistency.check(override("studies.time.select", True))
    names = ["at60-induction-1", "at150-induction-1", "at180-induction-1", "at240-induction-1"]
    cells = set(design.study_cells(settings))
    for name in (*names, "checkpoints-induction-1"):
        assert {Cell("replace", name, 0.1, seed) for seed in (0, 1, 2, 3)} <= cells
    before = set(design.study_cells(consistency.check(override("studies.time.select", False))))
    assert cells - before == {cell for cell in cells if cell.selection.startswith(("at", "checkpoints"))}
    assert design.variant_of(settings, "at60", "induction-1") == "checkpoint-60"
    assert design.Selection.parse("at60-induction-1") == ("at60", "induction-1", None)
    assert [variants.step_of(name) for name in ("at60", "attention", "at", "augment")] == [
        60,
        None,
        None,
        None,
    ]


def test_a_comparison_of_one_checkpoint_is_refused(override):
    config = override("studies.time.select", True)
    for checkpoints in ([120], []):
        config["studies"]["time"]["checkpoints"] = checkpoints
        with pytest.raises(UserError, match=r"studies\.time\.select compares checkpoints, but there is only"):
            consistency.check(config)
