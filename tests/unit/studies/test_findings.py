"""Verdicts follow from tables: what reproduces, what does not, and what tests nothing."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

from mda.evidence import finding, in_words, statistics
from mda.report import front_page
from mda.studies import findings

SETTINGS = finding.Settings(fraction=0.1, confidence=0.95, start=60, scope="evidence", shuffled=True)
CELL = {"target": "unit", "outcome": "formation_step", "fraction": 0.1, "seeds": 4, "formed": 1.0}


def difference(name, value, error, q=None):
    q = (0.001 if abs(value) > error else 0.5) if q is None else q
    return {
        name: value, f"{name}_low": value - error, f"{name}_high": value + error,
        f"{name}_p": q, f"{name}_q": q, f"{name}_detectable": 1.5 * error,
    }  # fmt: skip


def effects(removal=20.0, duplication=-8.0, random=0.5, swap=0.2, formed=1.0, mean=177.0):
    nothing = difference("to_random", np.nan, np.nan, np.nan) | difference("to_base", np.nan, np.nan, np.nan)
    own = "influence-unit"
    lines = [
        CELL | nothing
        | {"intervention": "base", "selection": "none", "fraction": 0.0, "formed": formed, "mean": mean},
        CELL | {"intervention": "replace", "selection": own}
        | difference("to_base", removal, 2.0) | difference("to_random", removal, 2.0),
        CELL | {"intervention": "replace", "selection": "random"}
        | nothing | difference("to_base", random, 2.0),
        CELL | {"intervention": "duplicate", "selection": own}
        | difference("to_base", duplication, 2.0) | difference("to_random", duplication, 2.0),
        CELL | {"intervention": "swap", "selection": own}
        | difference("to_base", swap, 2.0) | difference("to_random", swap - random, 2.0),
    ]  # fmt: skip
    return pd.DataFrame(lines)


def verdicts(**tables):
    found = findings.judge(tables, ["unit"], SETTINGS)
    return dict(zip(found["finding"], found["verdict"], strict=True))


def test_effects_in_the_claimed_direction_reproduce():
    found = verdicts(effects=effects())
    for name in ("removal", "duplication", "random", "swap"):
        assert found[name] == finding.REPRODUCED, name
    # What has no table is not judged.
    assert found["coupling"] == found["lds"] == found["beyond-loss"] == finding.NOT_RUN


def test_what_was_not_run_says_what_it_needs():
    """Also where the table of effects is there, which has nothing of it."""
    for tables in ({}, {"effects": effects()}):
        found = findings.judge(tables, ["unit"], SETTINGS)
        lacking = found[found["verdict"] == finding.NOT_RUN]
        assert lacking["note"].str.startswith("needs ").all()
        assert len(lacking) >= 10
    assert "swap" not in set(lacking["finding"])


def test_every_claim_whose_table_is_there_is_judged():
    """A plain run has these two as well, so their claims are judged on both pages, each by its own file."""
    line = {"target": "unit", "outcome": "formation_step", "seeds": 4, "stronger": True}
    controls = [line | {"control": name} | difference("beyond", 9.0, 2.0) for name in ("loss", "repetition")]
    coupled = {"target": "unit", "runs_of": "all", "runs": 40, "seeds": 4}
    coupled |= {
        f"{name}{end}": value
        for name in ("r", "held_out_r", "partial_r")
        for end, value in (("", -0.9), ("_low", -0.95), ("_high", -0.8))
    }
    tables = {
        "effects": effects(), "controls": pd.DataFrame(controls), "coupling": pd.DataFrame([coupled]),
    }  # fmt: skip
    for scope in ("tables", "evidence"):
        settings = dataclasses.replace(SETTINGS, scope=scope)
        found = findings.judge(tables, ["unit"], settings).set_index("finding")
        assert found.loc["coupling", "verdict"] == finding.REPRODUCED
        assert (found.loc[["beyond-loss", "beyond-repetition"], "verdict"] == finding.YES).all()
        assert found.loc["coupling", "file"] == f"{scope}/coupling.csv"
        assert found.loc["beyond-loss", "file"] == f"{scope}/controls.csv"
        assert "(Benjamini-Hochberg)" in found.loc["beyond-loss", "note"]


def test_effects_in_the_other_direction_do_not():
    found = verdicts(effects=effects(removal=-20.0, duplication=8.0))
    assert found["removal"] == found["duplication"] == finding.NOT_REPRODUCED


def test_an_interval_with_zero_does_not():
    found = verdicts(effects=effects(removal=1.0, duplication=-1.0))
    assert found["removal"] == found["duplication"] == finding.NOT_REPRODUCED


def test_removal_by_masking_is_judged_where_nothing_is_replaced():
    """The paper's own deletion."""
    masked = effects().replace({"intervention": {"replace": "mask"}})
    found = verdicts(effects=masked)
    assert found["removal"] == found["random"] == found["swap"] == finding.REPRODUCED


@pytest.mark.parametrize(("p", "verdict"), [(0.02, finding.REPRODUCED), (0.03, finding.NOT_REPRODUCED)])
def test_planned_tests_are_corrected_for_their_own_number_alone(p, verdict):
    """Two are here: 2 x 0.02 < 0.05 < 2 x 0.03; how many cells the table has else makes nothing of it."""
    table = effects(duplication=-1.0)
    removed = (table["intervention"] == "replace") & (table["selection"] == "influence-unit")
    table.loc[removed, ["to_random_p", "to_random_q"]] = [p, 0.9]
    assert verdicts(effects=table)["removal"] == verdict


@pytest.mark.parametrize(
    ("shift", "p", "verdict"),
    [(9.0, 0.01, finding.YES), (9.0, 0.04, finding.NO), (-9.0, 0.01, finding.NO)],
)
def test_effects_across_models(shift, p, verdict):
    line = {"target": "unit", "experiment": "all", "runs": 6}
    table = pd.DataFrame(
        [
            line | {"test": "removal"} | difference("to_random", shift, 2.0, p),
            line | {"test": "duplication"} | difference("to_random", 0.0, 2.0, 0.5),
            line | {"test": "removal", "experiment": "seed-1"} | difference("to_random", -50.0, 2.0),
        ]
    )
    found = verdicts(effects=effects(), replication=table)
    assert found["removal-replicated"] == verdict
    assert found["duplication-replicated"] == finding.NO
    assert found["augmentation-replicated"] == finding.NOT_RUN


def test_random_removal_that_does_as_much_is_no_control():
    assert verdicts(effects=effects(random=15.0))["random"] == finding.NOT_REPRODUCED


@pytest.mark.parametrize(
    ("smallest", "p", "verdict"),
    [
        (0.02, 0.01, finding.REPRODUCED),
        (0.2, 0.01, finding.NOT_REPRODUCED),
        (np.nan, 0.4, finding.NOT_REPRODUCED),
        (np.nan, np.nan, finding.INCONCLUSIVE),
    ],
)
def test_the_least_share_that_delays(smallest, p, verdict):
    line = CELL | {"intervention": "replace", "selection": "influence-unit", "smallest": smallest}
    told = difference("to_random", 5.0, 1.0) | {"to_random_p": p}
    lines = [line | told | {"fraction": share} for share in (0.02, 0.1, 0.2)]
    assert verdicts(effects=effects(), dose=pd.DataFrame(lines))["dose"] == verdict


def test_of_two_ways_to_remove_at_random_the_one_that_does_more_is_judged():
    table = effects()
    masked = table[(table["selection"] == "random") & (table["intervention"] == "replace")].assign(
        intervention="mask", **difference("to_base", 15.0, 2.0)
    )
    assert verdicts(effects=table)["random"] == finding.REPRODUCED
    judged = findings.judge({"effects": pd.concat([table, masked])}, ["unit"], SETTINGS).set_index("finding")
    assert judged.loc["random", "verdict"] == finding.NOT_REPRODUCED
    # And the other is not hidden.
    told = judged.loc["random", "note"].split("; ")
    assert told[-2] == "random samples masked (read without a gradient): +15.0 [+13.0, +17.0] steps"
    assert told[-1] == "random samples replaced by others of the window: +0.5 [-1.5, +2.5] steps"


def test_an_interval_on_both_sides_of_the_margin_tells_nothing():
    """The margin is 9 steps."""
    table = effects(random=4.0)
    chosen = (table["selection"] == "random") & (table["intervention"] == "replace")
    table.loc[chosen, ["to_base_low", "to_base_high"]] = [-3.0, 11.0]
    assert verdicts(effects=table)["random"] == finding.INCONCLUSIVE


@pytest.mark.parametrize(
    ("ceiling", "low", "verdict"), [(0.9, 0.1, "yes"), (0.9, -0.1, "no"), (0.3, -0.1, finding.INCONCLUSIVE)]
)
def test_where_not_even_the_truth_would_be_found_nothing_is_said(ceiling, low, verdict):
    line = {"target": "unit", "method": "influence", "outcome": "score_area", "subsets": 24, "orders": 2}
    line |= {"lds": 0.3, "lds_low": low, "lds_high": 0.6, "detectable": 0.5, "reliability": 0.1}
    table = pd.DataFrame([line | {"ceiling": ceiling}])
    assert verdicts(effects=effects(), datamodel=table)["lds"] == verdict


@pytest.mark.parametrize(("whole", "verdict"), [(20.0, "no"), (2.0, finding.INCONCLUSIVE)])
def test_a_control_is_no_worse_only_where_a_difference_would_have_been_seen(whole, verdict):
    line = {"target": "unit", "outcome": "formation_step", "seeds": 4, "stronger": True}
    lines = [
        line | {"control": "loss"} | difference("beyond", 1.0, 2.0, 0.4),
        line | {"control": "random"} | difference("beyond", whole, 2.0, 0.01),
    ]
    assert verdicts(effects=effects(), controls=pd.DataFrame(lines))["beyond-loss"] == verdict


def test_a_swap_that_loses_the_effect_is_seen():
    assert verdicts(effects=effects(swap=18.0))["swap"] == finding.NOT_REPRODUCED


def test_a_unit_that_does_not_form_reproduces_nothing():
    """Whatever the tables say: the null corpus."""
    for table in (effects(formed=0.0, mean=240.0), effects(mean=60.0)):
        found = findings.judge({"effects": table}, ["unit"], SETTINGS)
        unit = found["target"] == "unit"
        assert set(found.loc[unit, "verdict"]) == {finding.CANNOT_TELL}
        assert set(found.loc[~unit, "verdict"]) == {finding.NOT_RUN}
        assert set(found.loc[unit, "note"]) == {"the unit does not form in the window"}


@pytest.mark.parametrize(
    ("r", "given", "verdict"),
    [
        (-0.8, -0.5, finding.REPRODUCED),
        (-0.8, 0.0, finding.NOT_REPRODUCED),
        (0.8, -0.5, finding.NOT_REPRODUCED),
    ],
)
def test_coupling_is_judged_given_the_loss(r, given, verdict):
    line = {"target": "unit", "runs_of": "all", "runs": 40, "seeds": 4}
    for name, value in (("r", r), ("partial_r", given)):
        line |= {name: value, f"{name}_low": value - 0.1, f"{name}_high": value + 0.1}
    assert verdicts(effects=effects(), coupling=pd.DataFrame([line]))["coupling"] == verdict


@pytest.mark.parametrize(
    ("stronger", "q", "verdict"), [(True, 0.01, "yes"), (True, 0.2, "no"), (False, 0.01, "no")]
)
def test_influence_against_a_control(stronger, q, verdict):
    line = {
        "target": "unit",
        "outcome": "formation_step",
        "control": "loss",
        "seeds": 4,
        "stronger": stronger,
    }
    random = line | {"control": "random"} | difference("beyond", 9.0, 2.0, 0.01)
    controls = pd.DataFrame([line | difference("beyond", 5.0, 2.0, q), random])
    assert verdicts(effects=effects(), controls=controls)["beyond-loss"] == verdict


@pytest.mark.parametrize(
    ("elsewhere", "verdict"), [(0.1, finding.REPRODUCED), (0.55, finding.NOT_REPRODUCED)]
)
def test_overlap_is_more_than_with_units_of_other_kinds(elsewhere, verdict):
    line = {"one": "unit", "one_units": "L1H0", "jaccard_low": 0.5, "jaccard_high": 0.7}
    line |= {"chance": 0.05, "q": 0.001}
    table = pd.DataFrame(
        [
            line | {"other": "b", "other_units": "L1H1", "same_kind": True, "jaccard": 0.6},
            line | {"other": "c", "other_units": "L0H0", "same_kind": False, "jaccard": elsewhere},
            # The unit itself, by another name and metric.
            line | {"other": "d", "other_units": "L1H0", "same_kind": False, "jaccard": 1.0},
        ]
    )
    assert verdicts(effects=effects(), overlap=table)["overlap"] == verdict


@pytest.mark.parametrize(
    ("induction", "rest", "error", "verdict"),
    [
        (-0.4, -0.01, 0.1, finding.REPRODUCED),
        (-0.4, 0.01, 0.1, finding.REPRODUCED),
        (-0.4, -0.1, 0.1, finding.NOT_REPRODUCED),
        # Ten times as much as seen, but not beyond the error.
        (-0.4, -0.035, 0.1, finding.NOT_REPRODUCED),
        (-0.4, -0.02, 0.5, finding.NOT_REPRODUCED),
        (0.4, 0.02, 0.1, finding.NOT_REPRODUCED),
    ],
)
def test_specificity_asks_for_an_order_of_magnitude(induction, rest, error, verdict):
    line = {"removed": "unit", "seeds": 4, "induction_change": induction, "rest_change": rest}
    line |= difference("contrast", induction - rest, error)
    line |= {"tenfold_high": max(induction - 10 * rest, induction + 10 * rest) + error}
    assert verdicts(effects=effects(), crossed=pd.DataFrame([line]))["specificity"] == verdict


def test_without_an_effect_of_removal_nothing_is_equivalent():
    # More runs may find an effect of removal, unless these have ruled it out.
    for removal, verdict in ((-20.0, finding.CANNOT_TELL), (1.0, finding.INCONCLUSIVE)):
        found = verdicts(effects=effects(removal=removal))
        assert found["random"] == found["swap"] == verdict, removal


def test_where_no_run_forms_there_is_no_verdict():
    """All of both sides end with the last step: their difference is 0 [0, 0], which says nothing."""
    found = verdicts(
        effects=effects(removal=0.0).replace({"to_random_low": {-2.0: 0.0}, "to_random_high": {2.0: 0.0}})
    )
    assert found["removal"] == finding.CANNOT_TELL


@pytest.mark.parametrize(("shuffled", "verdict"), [(True, finding.CANNOT_TELL), (False, finding.REPRODUCED)])
def test_samples_in_random_order_are_spread_evenly_whatever_they_do(shuffled, verdict):
    lines = [
        {"target": "unit", "start": start, "stop": start + 10, "samples": 100, "gain": gain,
         "positive_share": 0.5, "positive_share_low": 0.4, "positive_share_high": 0.6}
        for start, gain in ((0, 0.1), (10, 0.5))
    ]  # fmt: skip
    settings = dataclasses.replace(SETTINGS, shuffled=shuffled)
    tables = {"effects": effects(), "stream": pd.DataFrame(lines)}
    judged = findings.judge(tables, ["unit"], settings).set_index("finding")
    assert judged.loc["time", "verdict"] == verdict


def test_every_finding_names_its_file_and_rule():
    found = findings.judge({"effects": effects()}, ["unit"], SETTINGS)
    assert not found.duplicated(["target", "finding"]).any()
    known = found[found["value"].notna()]
    assert set(known["file"]) == {"evidence/effects.csv"}
    assert set(known["rule"]) == {"effects"}
    # What has no table names none.
    assert set(found.loc[found["finding"] == "lds", "file"]) == {""}


@pytest.mark.parametrize(("formed", "verdict"), [(1.0, finding.REPRODUCED), (0.0, finding.CANNOT_TELL)])
@pytest.mark.parametrize(("role", "name"), [("larger", "transfer"), ("at-once", "at-once")])
def test_transfer_asks_for_a_unit_that_forms_in_the_other_experiment(formed, verdict, role, name):
    """And reads its lines, not those of this one or of a third, which say the opposite here."""
    cell = CELL | {"outcome": "score_area", "intervention": "augment", "selection": "influence-unit"}
    lines = [
        cell | {"role": "own", "experiment": "this"} | difference("to_random", -0.1, 0.02),
        cell | {"role": "third", "experiment": "third"} | difference("to_random", -0.1, 0.02),
        cell | {"role": role, "experiment": "other"} | difference("to_random", 0.1, 0.02),
        CELL | {"role": role, "experiment": "other", "intervention": "base", "selection": "none",
                "fraction": 0.0, "formed": formed, "mean": 140.0},
    ]  # fmt: skip
    assert verdicts(effects=effects(), augmentation=pd.DataFrame(lines))[name] == verdict


@pytest.mark.parametrize(
    ("found", "low", "corrected", "verdict"),
    [(0, 0.0, 0, finding.INCONCLUSIVE), (4, 0.2, 0, finding.NO), (1, 0.01, 1, finding.NO)],
)
def test_without_catalysts_nothing_may_be_found(found, low, corrected, verdict):
    line = {"comparison": "to_random", "outcomes": "unit", "tests": 8, "found": found, "rate": found / 8,
            "rate_low": low, "rate_high": 0.9, "nominal": 0.05, "corrected": corrected}  # fmt: skip
    judged = findings.judge({"null": pd.DataFrame([line])}, ["unit"], SETTINGS).set_index("finding")
    assert judged.loc["no-catalysts", "verdict"] == verdict
    # The experiment itself has no effects, so it tests nothing.
    assert set(judged.loc[judged["target"] == "unit", "verdict"]) == {finding.NOT_RUN}


@pytest.mark.parametrize(
    ("low", "high", "comparisons", "verdict"),
    [
        (0.03, 0.08, 4000, finding.YES),
        (0.03, 0.08, 300, finding.CANNOT_TELL),
        (0.03, 0.2, 4000, finding.INCONCLUSIVE),
        (0.06, 0.09, 4000, finding.NO),
        (np.nan, np.nan, 0, finding.CANNOT_TELL),
    ],
)
def test_runs_treated_at_random_differ_at_the_nominal_rate(low, high, comparisons, verdict):
    line = {"target": "unit", "outcome": "formation_step", "subsets": 24, "pairs": 4,
            "comparisons": comparisons, "rate": (low + high) / 2,
            "rate_low": low, "rate_high": high, "nominal": 0.05}  # fmt: skip
    assert verdicts(effects=effects(), placebo=pd.DataFrame([line]))["placebo"] == verdict


@pytest.mark.parametrize(
    ("worst", "other_top", "decoys", "verdict"),
    [
        (0.7, 0.4, 0.6, finding.YES),
        # Not told from chance, in one of the three.
        (0.55, 0.4, 0.6, finding.INCONCLUSIVE),
        (0.7, 0.12, 0.6, finding.INCONCLUSIVE),
        (0.7, 0.4, 0.52, finding.INCONCLUSIVE),
        # Worse than chance.
        (0.35, 0.4, 0.6, finding.NO),
        (0.7, 0.04, 0.6, finding.NO),
        (0.7, 0.4, 0.44, finding.NO),
    ],
)
def test_catalysts_are_found_where_the_worst_corpus_says_so(worst, other_top, decoys, verdict):
    lines = [
        {"experiment": name, "method": method, "formed": name != "c", "samples": 100, "rate": 0.1,
         "auroc": value, "auroc_low": value - 0.1, "auroc_high": value + 0.1,
         "precision": top, "precision_low": top - 0.05, "precision_high": top + 0.05,
         "decoys_auroc": {"a": decoys}.get(name, 0.8),
         "decoys_auroc_low": {"a": decoys - 0.05}.get(name, 0.7),
         "decoys_auroc_high": {"a": decoys + 0.05}.get(name, 0.99)}
        for name, method, value, top in (
            ("a", "influence", 0.9, other_top), ("b", "influence", worst, 0.3), ("b", "loss", 0.1, 0.0),
            ("c", "influence", 0.2, 0.0),
        )
    ]  # fmt: skip
    judged = findings.judge({"recovery": pd.DataFrame(lines)}, ["unit"], SETTINGS).set_index("finding")
    assert judged.loc["recovery", ["verdict", "value"]].tolist() == [verdict, worst]
    assert "lowest where a head forms (2 of 3 corpora): b" in judged.loc["recovery", "note"]
    told = f"from decoys alone {decoys:.2f} [{decoys - 0.05:.2f}, {decoys + 0.05:.2f}] in a"
    assert told in judged.loc["recovery", "note"]
    none = findings.judge({"recovery": pd.DataFrame(lines).assign(formed=False)}, ["unit"], SETTINGS)
    assert none.set_index("finding").loc["recovery", "verdict"] == finding.CANNOT_TELL


def test_every_claim_can_stand_alone():
    """A report sorts claims by verdict, so none may speak of what another one says."""
    claims = findings.judge({"effects": effects()}, ["unit"], SETTINGS)["claim"]
    assert len(claims) > 20
    assert [
        claim for claim in claims if re.search(r"\b(them|they|their|neither|for that)\b", claim, re.I)
    ] == []


def test_readers_see_every_finding_with_its_interval():
    found = findings.judge({"effects": effects()}, ["unit"], SETTINGS)
    unit, known = front_page.findings(found)
    assert unit["verdicts"][finding.REPRODUCED] == 4
    removal = next(line for line in unit["lines"] if line["finding"] == "removal")
    # The detectable effect is that of the stricter level.
    shifts = [statistics.detectable_shift(4, confidence) for confidence in (0.975, 0.95)]
    assert removal["here"] == {
        "value": "20.0 [18.0, 22.0]",
        "unit": "steps",
        "more": "p 0.001; corrected for 2 planned tests, 0.002 (Holm); 4 runs find an effect of "
        f"{3 * shifts[0] / shifts[1]:.3g} steps four times out of five",
    }
    assert {line["here"]["value"] for line in known["lines"]} == {""}
    # What says nothing is folded away, by why it does not.
    assert {line["verdict"] for line in unit["told"]} == {finding.REPRODUCED}
    assert unit["folded"].keys() == {finding.NOT_RUN}
    assert known["told"] == []


def test_a_small_effect_is_called_underpowered():
    """Unless the claim is that there is none."""
    table = effects(removal=4.0, random=0.5)
    table["to_random_detectable"] = 9.0
    table["to_base_detectable"] = 9.0
    found = findings.judge({"effects": table}, ["unit"], SETTINGS).set_index("finding")
    told = in_words.power(found.loc["removal"].to_dict() | {"finding": "removal"})
    assert re.fullmatch(
        r"underpowered: 4 runs find an effect of 1\d\.\d steps four times out of five, "
        "and this one is smaller: it may look larger than it is",
        told,
    )
    told = in_words.power(found.loc["random"].to_dict() | {"finding": "random"})
    assert told == "4 runs find an effect of 9 steps four times out of five"
    assert in_words.power(found.loc["lds"].to_dict() | {"finding": "lds"}) == ""
    line = {"finding": "beyond-loss", "value": 8.0, "detectable": 14.0, "unit": "steps", "runs": 4}
    assert in_words.power(line | {"verdict": finding.INCONCLUSIVE}).endswith("and this one is smaller")
    # A "no" is held against what so many runs do find.
    assert in_words.power(line | {"verdict": finding.NO}).startswith("4 runs find")
