"""The arithmetic of all studies on tables at the edge: nothing varies, or there is one of everything.

Each gives a value, or nothing that a reader could take for one: no step fails, no figure fails, no verdict is
given, and no sentence has 'nan' in it.
"""

import warnings
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from conftest import NUMERICS, Store
from held import figure_of

from mda.commands import summary
from mda.config.study_sections import Contrast
from mda.evidence import csv_tables, effect_table, finding, ranked, score_notes, score_parts, statistics
from mda.figures import effects as effects_figure
from mda.figures import emergence, icl, style
from mda.interventions import selection
from mda.planning.cell import Cell
from mda.report import front_page
from mda.runtime.errors import UserError
from mda.steps.attribution import gradient_norm
from mda.studies import figures, findings
from mda.studies.ablation import table as ablation
from mda.studies.agreement import table as agreement
from mda.studies.augmentation import table as augmentation
from mda.studies.checkpoints import table as checkpoints
from mda.studies.contrasts import table as contrasts
from mda.studies.controls import table as controls
from mda.studies.coupling import table as coupling
from mda.studies.crossed import table as crossed
from mda.studies.datamodel import table as datamodel
from mda.studies.dose import table as dose
from mda.studies.enrichment import table as enrichment
from mda.studies.exact import table as exact
from mda.studies.linearity import table as linearity
from mda.studies.null import table as null
from mda.studies.overlap import table as overlap
from mda.studies.placebo import table as placebo
from mda.studies.recovery import table as recovery
from mda.studies.replication import table as replication
from mda.studies.sanity import checks
from mda.studies.sanity import table as sanity
from mda.studies.stored_gradients import table as stored_gradients
from mda.studies.stream import table as stream
from mda.studies.tail import table as tail

METHODS = ("base", "influence", "random", "loss", "repetition", "gradient_norm", "trajectory")
PALETTE = dict.fromkeys(METHODS, "#333333")
CELLS = [("base", "none", 0.0)] + [
    (kind, selection, 0.1)
    for kind in ("replace", "duplicate", "augment")
    for selection in ("influence-unit", "random")
]
SAMPLES = 20


def curves(seeds, score):
    """Curves of all cells, all the same."""
    steps = np.arange(10, 14)
    return pd.concat(
        pd.DataFrame(
            {
                "step": steps, "score": score, "score_sum": np.nan, "icl_score": -1.0,
                "held_out_loss": 2.0, "train_loss": 2.0,
                "target": "unit", **Cell(*cell, seed)._asdict(),
            }
        )
        for cell in CELLS for seed in range(seeds)
    )  # fmt: skip


def head_runs(seeds, area):
    lines = [
        {"head": head, "metric": metric, "area": area, **Cell(*cell, seed)._asdict()}
        for cell in CELLS[:3] for seed in range(seeds)
        for head in ("L0H0", "L0H1", "L1H0") for metric in crossed.METRICS
    ]  # fmt: skip
    return pd.DataFrame(lines)


def scores_of(influence, labels=1):
    """Scores of one target at four steps."""
    number = len(influence)
    return pd.DataFrame(
        {
            "step": np.arange(number) * 4 // number, "row": np.arange(number),
            "influence": np.asarray(influence, np.float32),
            "label": [f"label {place % labels}" for place in range(number)],
        }
    )  # fmt: skip


def falling(scores, catalyst):
    """The same values, the highest first, and whether each is of a catalyst."""
    order = np.argsort(-scores, kind="stable")
    labels = np.where(catalyst, "yes", "no")[order]
    return lambda: iter([pa.record_batch({"value": scores[order], "label": labels})])


def ranked_of(scores):
    """The same, ranked, with the top tenth."""
    return ranked.of_array(scores["influence"].to_numpy(), 0.1, scores["label"].tolist())


def studies(tmp_path, monkeypatch, seeds, score, area, scores, labels=1):
    """Study -> its table, as its step writes and the next one reads it."""
    outcomes = effect_table.outcomes(curves(seeds, score), 0.3)
    effects = effect_table.effects(outcomes, 0.95)
    for name, table in {"all-effects": effects, "outcomes": outcomes}.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    read_effects, read_outcomes = (
        csv_tables.read(tmp_path / f"{name}.csv") for name in ("all-effects", "outcomes")
    )
    monkeypatch.setattr(tail, "RESAMPLES", 20)
    mine = {"unit": scores_of(scores, labels)}
    units = {"unit": ["L0H0"], "other": ["L1H0"]}
    placed = {"unit": ranked_of(mine["unit"])}
    pair = {**placed, "other": placed["unit"]}
    metrics = dict.fromkeys(units, "prefix_matching")
    runs = np.full((4, seeds), area)
    features = np.ones((5, len(enrichment.FEATURES)))
    names = mine["unit"]["label"].tolist()
    everything, catalyst = mine["unit"]["influence"].to_numpy(), np.zeros(len(scores), bool)
    places = np.arange(len(scores))
    walk = pd.DataFrame({"step": places, "update": 0, "slot": 0, "score": np.asarray(scores, float)})
    losses = np.ones((seeds, 3))
    # One row has one document; and without any score, no token counts.
    counted = ablation.Text(np.full((seeds, 3), area > 0), np.arange(seeds))
    lines = {
        "agreement": agreement.variants(placed, [("strategy-kfac", placed)], 0.95),
        "overlap": overlap.overlaps(pair, units, metrics, 0.95),
        "stream": [
            {"target": "unit", **line}
            for line in stream.stream(score_parts.of_frame(mine["unit"]), curves(1, score), 24, 0.95)
        ],
        "enrichment": [
            {"target": "unit", "side": side, "kind": kind, "q": 1.0, **line}
            for side in ("proponents", "opponents")
            for kind, found in (
                ("label", enrichment.labels(Counter(names[:2]), Counter(names), 0.95)),
                ("feature", enrichment.features(features[:2], features, 0.95)),
            )
            for line in found
        ],
        "ablation": [
            {
                "target": "unit", "step": 10, "text": text, "units": 1, "kind": "heads",
                **ablation.line(counted, losses, losses + area, [losses] * (seeds - 1), 0.95),
            }
            for text in (ablation.HELD_OUT, ablation.REPEATED, ablation.RANDOM)
        ],
        "exact": [
            {"target": "unit", **line}
            for line in exact.correlations(everything, (everything, everything), {"ekfac": everything}, 0.95)
        ],
        "stored_gradients": stored_gradients.sizes(
            {"target": "unit", "checkpoint": 10, "cut_off": 0},
            everything, {1.0: everything, 0.25: everything[::-1]},
            {1.0: 8, 0.25: 2}, {1.0: 8, 0.25: 2}, {1.0: 1.0, 0.25: 0.5}, 0.1, 0.95,
        ),
        "datamodel": [
            {"target": "unit", **line}
            for line in datamodel.scores(
                dict.fromkeys(datamodel.OUTCOMES, runs), {"influence": np.full(4, everything.sum())}, 0.95,
            )
        ],
        "placebo": [
            {"target": "unit", "outcome": outcome, **placebo.false_findings(runs, 2, 0, 0.95)}
            for outcome in placebo.OUTCOMES
        ],
        "linearity": [
            {
                "target": "unit", "outcome": "mean", "selection": "trajectory-unit", "fraction": share,
                "order": seed, **linearity.line(walk, walk.assign(role="masked"), area, area),
            }
            for share in (0.01, 0.1)
            for seed in range(seeds)
        ],
        "sanity": [
            sanity.line("unit", method, *of)
            for method in ("influence", "trajectory")
            for of in (
                (checks.SAME, sanity.same(everything, everything, 0.95)),
                (checks.EVERY, sanity.randomized(everything, everything[None], places, 0.95)),
                (checks.CONSTANT, sanity.nothing(checks.CONSTANT, 0 * everything, everything)),
                (checks.LABELS, sanity.shuffled(everything, np.array(names), places[None], 0.1, 0.95)),
            )
        ],
        "recovery": [
            {"experiment": "corpus", "target": "unit", "formed": True, "share": 0.5, "repeats": 2.0, **line}
            for line in recovery.recovery(
                {"influence": falling(everything, catalyst)}, "yes", "yes", 0.1, 0.95
            )
        ],
    }  # fmt: skip
    tables = {name: pd.DataFrame(found) for name, found in lines.items()}
    tables |= {
        "effects": effects,
        "dose": dose.doses(read_effects, {"replace": ["influence", "random"]}, 0.95),
        "augmentation": augmentation.insertions({"own": ("this", read_effects, read_outcomes)}, 0.1, 0.95),
        "controls": controls.against_controls(outcomes, "replace", 0.1, 0.95),
        "checkpoints": checkpoints.checkpoints(outcomes, 10, 0.1, 0.95),
        "coupling": coupling.correlations(outcomes, 0.95),
        "crossed": crossed.effects(
            head_runs(seeds, area), {"unit": ["L0H0"]}, {"L0H0": 0.9, "L0H1": 0.9, "L1H0": 0.0}, 0.3, 0.95
        ),
        "contrasts": contrasts.contrasts(
            {"twin": outcomes, "brother": outcomes},
            [Contrast(kind="replace", control="random", outcome="formation_step")],
            0.1,
            10,
            0.95,
        ),
        "replication": replication.replications({"twin": outcomes, "brother": outcomes}, 0.1, 10, 0.95),
        "null": null.false_positives(effects, 0.95),
        "tail": tail.tails({"unit": score_parts.of_frame(mine["unit"])}, 0.1, 0, 0.95),
    }
    for name, table in tables.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False, float_format="%.6g")
    return {name: csv_tables.read(tmp_path / f"{name}.csv") for name in tables}


EQUAL, ZERO, NEGATIVE = np.ones(SAMPLES), np.zeros(SAMPLES), -np.arange(1.0, SAMPLES + 1)
CASES = {
    # seeds, the metric's curve, the heads' areas and subsets' outcomes, the scores
    "one seed": (1, [0.1, 0.2, 0.4, 0.5], 0.5, np.arange(SAMPLES)),
    "never forms": (3, [0.0, 0.0, 0.0, 0.0], 0.0, np.arange(SAMPLES)),
    "formed before": (3, [0.5, 0.5, 0.5, 0.5], 0.5, np.arange(SAMPLES)),
    "all the same": (2, [0.1, 0.2, 0.4, 0.5], 0.5, EQUAL),
    "all zero": (2, [0.1, 0.2, 0.4, 0.5], 0.5, ZERO),
    "none positive": (2, [0.1, 0.2, 0.4, 0.5], 0.5, NEGATIVE),
    "one sample": (1, [0.1, 0.2, 0.4, 0.5], 0.5, [1.0]),
}


@pytest.mark.parametrize("case", CASES)
def test_every_study_goes_through_at_the_edge(tmp_path, monkeypatch, case):
    seeds, score, area, scores = CASES[case]
    # What numpy and scipy say of 0 / 0 is meant to be said by us.
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        tables = studies(tmp_path, monkeypatch, seeds, np.array(score), area, scores)
        for study in figures.FIGURES:
            # Drawing takes most of the time.
            if case in ("one seed", "all zero", "one sample"):
                style.save(figures.draw(study, tables[study], PALETTE), [tmp_path / f"{study}.png"], 30)
    settings = finding.Settings(0.1, 0.95, 10, "evidence", False)
    equal = [f"all scores are equal, so that {score_notes.NOTHING}"]
    told = {"unit": equal if case == "all the same" else []}
    found = findings.judge(tables, ["unit"], settings, told)
    # Of scores that rank there is something to say: these of two targets are the same.
    unsure = {"overlap", "tail"} if len(set(scores)) > 1 else set()
    assert set(found.loc[~found["finding"].isin(unsure), "verdict"]) <= set(finding.UNDECIDED)
    assert not found["note"].str.contains(r"\bnan\b").any()
    for of in front_page.findings(found):
        assert "nan" not in " ".join(str(line["here"]) for line in of["lines"])


def test_scores_that_are_equal_have_no_top_in_common():
    """Which samples are their top is chance, and the same chance in both."""
    equal, falling = (ranked_of(scores_of(values)) for values in (EQUAL, np.arange(SAMPLES)))
    for one, other in ((equal, equal), (equal, falling), (falling, equal)):
        [line] = agreement.variants({"unit": one}, [("seed-1", {"unit": other})], 0.95)
        assert np.isnan([line["overlap"], line["overlap_low"], line["spearman"]]).all()
        [line] = overlap.overlaps(
            {"a": one, "b": other}, {"a": [], "b": []}, dict.fromkeys("ab", "copying"), 0.95
        )
        assert np.isnan([line["jaccard"], line["p"], line["q"]]).all()
    [line] = agreement.variants({"unit": falling}, [("seed-1", {"unit": falling})], 0.95)
    assert line["overlap"] == 1


def test_a_verdict_needs_scores_that_rank():
    """The retrainings are real, but what they removed was drawn."""
    outcomes = effect_table.outcomes(curves(4, np.array([0.1, 0.2, 0.4, 0.5])), 0.3)
    late = outcomes["selection"] == "influence-unit"
    noise = 0.01 * outcomes["seed"]
    outcomes.loc[late, "formation_step"] += 1 + noise[late]
    tables = {"effects": effect_table.effects(outcomes, 0.95)}
    settings = finding.Settings(0.1, 0.95, 10, "tables", False)
    equal = f"all 20 scores are equal (0), so that {score_notes.NOTHING}"
    with_notes = {"unit": [equal, "block qk counts 0"]}
    told = findings.judge(tables, ["unit"], settings, with_notes).set_index("finding").loc["removal"]
    assert told["verdict"] == finding.CANNOT_TELL
    assert told["note"].endswith(f"{equal}; block qk counts 0")
    told = findings.judge(tables, ["unit"], settings, {"unit": ["block qk counts 0"]}).set_index("finding")
    assert told.loc["removal", "verdict"] == finding.REPRODUCED
    assert told.loc["removal", "note"].endswith("; block qk counts 0")


@pytest.mark.parametrize("values", [EQUAL, ZERO, NEGATIVE, [1.0]])
def test_scores_at_the_edge_are_drawn(tmp_path, values):
    figure = figure_of(scores_of(values), ["all scores are equal"])
    assert figure.get_suptitle() == "all scores are equal"
    tallest = max(patch.get_height() for patch in figure.axes[0].patches)
    assert tallest == len(values) if len(set(values)) == 1 else tallest > 0
    assert all(patch.get_width() > 0 for patch in figure.axes[0].patches)
    words = [text.get_text() for text in figure.axes[2].texts]
    assert words == ["none is positive"] if max(values) <= 0 else words[0].startswith("top 10 %")
    style.save(figure, [tmp_path / "figure.png"], 60)


def test_runs_that_came_out_the_same_are_drawn_without_a_correlation(tmp_path):
    same = curves(2, np.full(4, 0.2))
    figure = icl.draw(same, "unit", "prefix_matching", PALETTE)
    assert figure.axes[1].get_title() == "mean over the window, a point a run"
    style.save(figure, [tmp_path / "icl.png"], 60)
    effects = effect_table.effects(effect_table.outcomes(same, 0.3), 0.95)
    for drawn in (
        effects_figure.draw(effects, "unit", ["formation_step", "score_area"], PALETTE),
        emergence.draw(same, "unit", "prefix_matching", 0.3, 0.95, (10, 14, 12), PALETTE),
    ):
        style.save(drawn, [tmp_path / "figure.png"], 60)


def test_a_window_of_one_evaluation_has_its_value_for_an_area():
    assert statistics.area(np.array([7.0]), np.array([0.25])) == 0.25


def test_a_share_of_nothing_is_unknown():
    assert np.isnan(statistics.proportion(0, 0, 0.95)).all()


def test_many_tests_without_a_spread_are_unknown():
    assert np.isnan(statistics.paired_p_values(np.ones((3, 4)))).all()


def test_orders_that_contradict_each_other_have_no_reliability():
    one = np.arange(4.0)
    assert np.isnan(datamodel.reliability(np.stack([one, -one], axis=1)))


def test_a_metric_of_zero_does_not_make_a_contrast_infinite():
    runs = head_runs(3, 0.5)
    runs.loc[(runs["head"] == "L0H1"), "area"] = 0.0
    runs.loc[runs["selection"] == "influence-unit", "area"] *= 0.9
    final = {"L0H0": 0.9, "L0H1": 0.9, "L1H0": 0.0}
    found = crossed.effects(runs, {"unit": ["L0H0"]}, final, 0.3, 0.95)
    assert not np.isinf(found.select_dtypes("number")).any(axis=None)
    assert found["contrast"].isna().all()


def test_a_probe_none_of_whose_tokens_occurs_has_bm25_scores_of_zero():
    store = Store(np.full((6, 8), 3))
    store.parts = lambda rows: iter([store.take(rows)])
    assert selection.bm25_scores(store, np.arange(6), np.array([[7, 8]])).tolist() == [0.0] * 6
    # Of equal samples, all are as similar.
    equal = selection.bm25_scores(store, np.arange(6), np.array([[3, 8]]))
    assert np.isfinite(equal).all()
    assert np.ptp(equal) == 0


def test_the_least_fraction_selects_one_sample():
    assert selection.count(3, 0.001) == 1
    assert len(selection.top(np.ones(3), 1, 0)) == 1


def test_a_study_without_a_line_has_a_table_and_a_figure(tmp_path):
    (tmp_path / "empty.csv").write_text("\n")
    for table in (csv_tables.read(tmp_path / "empty.csv"), pd.DataFrame(columns=null.COLUMNS)):
        [axis] = figures.draw("null", table, PALETTE).axes
        assert axis.texts[0].get_text().startswith("There is nothing to draw")


def test_a_gradient_norm_that_is_not_finite_names_the_target(tmp_path, monkeypatch):
    stream = SimpleNamespace(row=np.arange(3), step=np.zeros(3))
    monkeypatch.setattr(gradient_norm.models, "load", lambda *given: None)
    monkeypatch.setattr(gradient_norm.watching, "blocks_of", lambda *given: {})
    monkeypatch.setattr(gradient_norm.units, "read_targets", lambda path: {"unit": []})
    monkeypatch.setattr(
        gradient_norm.schedules.Schedule, "read", lambda path: SimpleNamespace(between=lambda *steps: stream)
    )
    monkeypatch.setattr(gradient_norm, "TokenStore", lambda path: None)
    monkeypatch.setattr(
        gradient_norm.passes, "over", lambda *given: [torch.tensor([1.0, float("nan"), float("inf")])]
    )
    target = SimpleNamespace(name="unit", blocks=("qk",))
    with pytest.raises(UserError, match="target unit: the gradient norm of 2 of 3 samples is not finite"):
        gradient_norm.score(
            *[tmp_path] * 4, target, NUMERICS, 4, (0, 1), 60, tmp_path / "resume", tmp_path / "x.parquet"
        )


@pytest.mark.parametrize(("seeds", "words"), [(1, "one seed"), (3, "in every seed")])
def test_the_summary_says_why_a_difference_has_no_interval(seeds, words):
    """Of several seeds that all moved by as much there is no spread to judge by."""
    line = {"to_base": 2.0, "to_base_low": np.nan, "to_base_high": np.nan, "seeds": seeds}
    line |= {"outcome": "formation_step"}
    assert summary.interval(line, "to_base") == f"+2.0 ({words})"
