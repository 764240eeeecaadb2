"""Planned contrasts over models: which runs are compared, and how they are corrected."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mda.config.study_sections import Contrast
from mda.evidence import finding
from mda.runtime.errors import UserError
from mda.studies import figures, findings
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


def outcomes(shifts, orders=4, formed=True, seed=0, noise=1.0):
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
                    "formation_step": value + noise * generator.normal(), "sum_area": value / 100,
                }
            )  # fmt: skip
    return pd.DataFrame(lines)


def run(models, planned=PLANNED):
    """The lines over all models."""
    found = table.contrasts(models, planned, 0.1, 60, 0.95)
    return found[found["experiment"] == "all"].set_index(["intervention", "control"])


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


def test_every_model_has_a_line_of_its_own():
    shifts = {("replace", "influence-class"): 10.0}
    models = {f"model-{n}": outcomes(shifts, orders=n + 1, seed=n) for n in range(3)}
    models["never"] = outcomes(shifts, formed=False)
    found = table.contrasts(models, PLANNED[:1], 0.1, 60, 0.95).set_index("experiment")
    assert found["models"].to_dict() == {"model-0": 1, "model-1": 1, "model-2": 1, "never": 0, "all": 3}
    assert found["orders"].to_dict() == {"model-0": 1, "model-1": 2, "model-2": 3, "never": 0, "all": 6}
    means = found["difference"].drop("all")
    assert means.mean() == pytest.approx(found.loc["all", "difference"])
    assert np.isnan(means["never"])
    assert np.isnan(found.loc["model-0", "difference_low"])
    # One test was planned; what a single model shows is none.
    assert found.loc["all", "difference_q"] == found.loc["all", "difference_p"]
    assert found["difference_q"].drop("all").isna().all()


def verdicts(models, planned=PLANNED[:2]):
    duplication = Contrast(kind="duplicate", control="repetition", outcome="formation_step")
    found = table.contrasts(models, [*planned, duplication], 0.1, 60, 0.95)
    settings = finding.Settings(0.1, 0.95, 60, "evidence", True)
    return findings.judge({"contrasts": found}, [], settings).set_index("finding")


def test_every_planned_contrast_is_a_finding_in_the_direction_of_its_intervention():
    """Removal delays and duplication hastens; the same differences the other way round show nothing."""
    shifts = {("replace", "influence-class"): 10.0, ("replace", "matched-class"): 25.0}
    shifts |= {("duplicate", "influence-class"): -40.0}
    judged = verdicts({f"model-{n}": outcomes(shifts, seed=n) for n in range(5)})
    judged = judged[judged["target"] == "class"]
    assert judged["verdict"].to_dict() == {
        "contrast-replace-random-formation_step": "yes",
        "contrast-replace-matched-formation_step": "no",
        "contrast-duplicate-repetition-formation_step": "yes",
    }
    note = judged.loc["contrast-replace-random-formation_step", "note"]
    assert note.startswith("5 of 5 models, 20 orders; p ")
    assert "corrected for 3 planned contrasts" in note


def test_what_noise_hides_is_neither_yes_nor_no():
    """Influence does more than either control, and three models with much noise do not tell."""
    shifts = {("replace", "influence-class"): 10.0, ("replace", "matched-class"): 4.0}
    judged = verdicts({f"model-{n}": outcomes(shifts, seed=n, noise=25.0) for n in range(3)})
    judged = judged[judged["target"] == "class"]
    for control in ("random", "matched"):
        line = judged.loc[f"contrast-replace-{control}-formation_step"]
        assert line["verdict"] == "inconclusive"
        assert line["note"].endswith("; too few models to tell less than the whole effect")


def test_no_difference_is_told_by_what_would_have_been_found():
    """As much as label-matched samples, where a third of the effect against random would have been found."""
    shifts = {("replace", name): 30.0 for name in ("influence-class", "matched-class")}
    judged = verdicts({f"model-{n}": outcomes(shifts, seed=n) for n in range(5)})
    line = judged[judged["target"] == "class"].loc["contrast-replace-matched-formation_step"]
    assert (line["verdict"], line["detectable"] < 10) == ("no", True)
    # Against random is not planned: there is no effect to hold it against.
    models = {f"model-{n}": outcomes(shifts, seed=n) for n in range(5)}
    judged = verdicts(models, PLANNED[1:2])
    line = judged[judged["target"] == "class"].loc["contrast-replace-matched-formation_step"]
    assert line["verdict"] == "inconclusive"
    assert line["note"].endswith("; no planned contrast against random says how large the effect is")


def test_a_claim_says_what_is_done_to_what():
    judged = verdicts({"model": outcomes({})})
    claims = judged[judged["target"] == "class"]["claim"]
    start = "the top samples by influence does more to the formation step than"
    assert claims.to_dict() == {
        "contrast-replace-random-formation_step": (
            f"Removing {start} removing random samples, over several models"
        ),
        "contrast-replace-matched-formation_step": (
            f"Removing {start} removing random samples of the same labels, over several models"
        ),
        "contrast-duplicate-repetition-formation_step": (
            f"Duplicating {start} duplicating those by a repetition score, over several models"
        ),
    }


def test_too_few_models_give_no_verdict():
    shifts = {("replace", "influence-class"): 10.0}
    models = {"one": outcomes(shifts), "never": outcomes(shifts, formed=False)}
    line = verdicts(models).loc["contrast-replace-random-formation_step"]
    assert line["verdict"] == "inconclusive"
    assert line["note"].startswith("1 of 2 models; ")
    line = verdicts({"never": models["never"]}).loc["contrast-replace-random-formation_step"]
    assert (line["verdict"], line["note"]) == (
        "cannot be told here", "the unit forms in the window in none of 1 models"
    )  # fmt: skip


def test_the_figure_has_a_row_for_each_contrast_and_a_mark_for_each_model():
    shifts = {("replace", "influence-class"): 10.0}
    models = {f"model-{n}": outcomes(shifts, seed=n) for n in range(4)}
    models["never"] = outcomes(shifts, formed=False)
    lines = table.contrasts(models, PLANNED, 0.1, 60, 0.95)
    palette = dict.fromkeys(("random", "matched", "repetition"), "#333333")
    steps, sums = figures.draw("contrasts", lines, palette).axes
    assert [label.get_text() for label in steps.get_yticklabels()] == [
        "remove (replaced)\nagainst random", "remove (replaced)\nagainst matched",
    ]  # fmt: skip
    assert [label.get_text() for label in sums.get_yticklabels()] == ["duplicate\nagainst repetition"]
    assert steps.get_title(loc="left") == "class\n4 of 5 models, 16 orders"
    marks = [line for line in steps.lines if line.get_marker() == "|" and len(line.get_xdata())]
    means = lines[(lines["control"] == "random") & (lines["experiment"] != "all")]["difference"].dropna()
    assert marks[0].get_xdata() == pytest.approx(means)
    told = lines[(lines["control"] == "random") & (lines["experiment"] == "all")]["difference_q"].iloc[0]
    assert f"p {told:.2g}" in [text.get_text() for text in steps.texts]


def test_outcomes_of_an_earlier_version_are_named():
    planned = [Contrast(kind="replace", control="random", outcome="sum_area")]
    old = pd.DataFrame({"target": ["unit"], "intervention": ["base"], "formation_step": [3.0]})
    with pytest.raises(UserError, match="the outcomes of twin have no sum_area, for they are of an earlier"):
        table.contrasts({"twin": old}, planned, 0.1, 0, 0.95)
