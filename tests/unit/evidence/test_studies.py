"""The studies' measures, on tables whose answer is known."""

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import Store

from mda.evidence.studies import crossed, datamodel, enrichment, recovery
from mda.interventions import selection
from mda.planning.cell import Cell
from mda.runtime import cli, files
from mda.steps.evidence import study_recovery, study_tail

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


def test_the_tail_of_normal_scores_is_that_of_a_normal_distribution():
    for mean in (-0.5, 0.0, 0.5):
        values, one = GENERATOR.normal(mean, 1, 200_000), np.zeros(200_000)
        found, normal, excess = study_tail.shares(values, one, 0.1)
        assert abs(excess) < 0.01, mean
        assert excess == found - normal
    assert study_tail.normal_share([(1.0, 0.0, 1.0)], 0.1) == pytest.approx(0.4399, abs=1e-4)
    assert study_tail.shares(GENERATOR.standard_t(3, 200_000), one, 0.1)[2] > 0.05


def test_labels_of_other_means_and_spreads_are_no_heavy_tail():
    labels = np.arange(300_000) % 3
    values = GENERATOR.normal(np.array([-1.0, 0.2, 2.0])[labels], np.array([0.3, 1.0, 0.0])[labels])
    assert abs(study_tail.shares(values, labels, 0.1)[2]) < 0.01
    assert abs(study_tail.shares(values, np.zeros(300_000), 0.1)[2]) > 0.02


def test_the_datamodelling_score_finds_the_truth_and_not_noise():
    candidates = GENERATOR.permutation(500)
    effect = dict(zip(candidates.tolist(), GENERATOR.normal(size=500), strict=True))
    left_out = [GENERATOR.choice(candidates, 250, replace=False) for _ in range(40)]
    actual = [
        sum(effect[row] for row in candidates.tolist() if row not in set(rows.tolist())) for rows in left_out
    ]
    outcomes = dict.fromkeys(datamodel.OUTCOMES, np.array([actual, actual]).T)
    truth = np.array([effect[row] for row in candidates.tolist()])
    values = {"truth": truth, "opposite": -truth, "noise": GENERATOR.normal(size=500)}
    found = {
        line["method"]: line for line in datamodel.scores(outcomes, left_out, candidates, values, 0.9999)
    }
    assert found["truth"]["lds"] == pytest.approx(1)
    assert found["opposite"]["lds"] == pytest.approx(-1)
    assert found["noise"]["lds_low"] < 0 < found["noise"]["lds_high"]
    assert (found["truth"]["subsets"], found["truth"]["orders"]) == (40, 2)
    assert found["truth"]["ceiling"] == pytest.approx(1)


def test_a_ceiling_is_the_correlation_that_knowing_the_truth_would_have():
    truth = GENERATOR.normal(size=4000)
    runs = truth[:, None] + GENERATOR.normal(size=(4000, 3))
    ceiling = np.sqrt(datamodel.reliability(runs))
    assert ceiling == pytest.approx(np.corrcoef(truth, runs.mean(axis=1))[0, 1], abs=0.02)
    assert np.isnan(datamodel.reliability(runs[:, :1]))
    assert abs(datamodel.reliability(GENERATOR.normal(size=(4000, 2)))) < 0.1


def test_known_catalysts_are_recovered():
    catalyst = np.arange(1000) < 100
    scores = {"perfect": catalyst + 0.0, "noise": GENERATOR.normal(size=1000)}
    decoy = np.arange(1000) >= 800
    scores["taken in"] = catalyst + 2.0 * decoy
    perfect, noise, taken_in = recovery.recovery(scores, catalyst, decoy, 0.1, 0.9999)
    assert (perfect["auroc"], perfect["precision"], perfect["rate"]) == (1, 1, 0.1)
    assert noise["auroc_low"] < 0.5 < noise["auroc_high"]
    assert noise["precision_low"] < 0.1 < noise["precision_high"]
    assert (perfect["decoys_auroc"], perfect["decoys_top"]) == (1, 0)
    # Better than the rest, worse than the decoys.
    assert taken_in["auroc"] == pytest.approx(7 / 9)
    assert (taken_in["decoys_auroc"], taken_in["decoys_top"], taken_in["precision"]) == (0, 1, 0)
    [line] = recovery.recovery({"perfect": scores["perfect"]}, catalyst, ~catalyst & False, 0.1, 0.95)
    assert np.isnan(line["decoys_auroc"])


@pytest.mark.parametrize("decoy", ["decoy", ""])
def test_the_step_reads_what_finished_experiments_left(tmp_path, override, decoy):
    """By the command line, as the rule calls it."""
    sources = [
        {"label": "catalyst", "kind": "tiled", "share": 0.5, "motif": [4, 12]},
        {"label": "decoy", "kind": "tiled", "share": 0.5, "motif": [32, 32]},
    ]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(override("corpus.synthetic.sources", sources)))
    heads = {"L1H0": {"prefix_matching": 0.1}, "L1H1": {"prefix_matching": 0.5}}
    files.write_json(tmp_path / "targets.json", {"targets": {"induction-1": {"scores": heads}}})
    files.write_array(tmp_path / "train.npy", GENERATOR.integers(2, 60, (20, 33)).astype(np.uint16))
    rows = np.arange(20)
    labels = np.where(rows < 10, "catalyst", "decoy")
    columns = {"influence": np.where(rows < 10, 2.0, 1.0) + rows / 100, "loss": 1.0 * rows, "label": labels}
    files.write_table(
        tmp_path / "scores.parquet", {"target": ["induction-1"] * 20, "step": rows, "row": rows, **columns}
    )
    given = {"scores": "scores.parquet", "stores": "train.npy", "units": "targets.json"}
    words = [f"--{name}={tmp_path / path}" for name, path in given.items()]
    words += [f"--configurations={tmp_path / 'config.yaml'}", '--corpora=["known"]', "--label=catalyst"]
    words += [f"--decoy={decoy}", "--fraction=0.1", "--confidence=0.95", f"--out={tmp_path / 'out.csv'}"]
    cli.run(study_recovery.table, words)
    found = pd.read_csv(tmp_path / "out.csv").set_index("method")
    assert found["formed"].all()
    assert found.loc["influence", ["auroc", "rate", "share"]].tolist() == [1, 0.5, 0.5]
    assert found.loc["loss", "auroc"] == 0
    assert found["decoys_auroc"].notna().all() == bool(decoy)


def test_false_positives_are_counted_where_something_could_be_found():
    p_values = [0.01, 0.2, np.nan, 0.6, 1.0]
    differences = [1.0, 0.5, np.nan, 0.1, 0.0]
    table = pd.DataFrame(
        {"outcome": "score_area", "to_base_p": p_values, "to_base_q": [0.03, 0.3, np.nan, 0.6, 1.0],
         "to_base": differences, "to_base_low": differences, "to_base_high": differences}
    )  # fmt: skip
    names = ("to_random", "to_random_low", "to_random_high", "to_random_p", "to_random_q")
    table = table.assign(**dict.fromkeys(names, np.nan))
    [line] = recovery.false_positives(table, 0.95)
    # Five cells: one has no comparison, and of one all runs are the same.
    assert (line["tests"], line["found"], line["corrected"], line["comparison"]) == (3, 1, 1, "to_base")
    assert line["rate_low"] < 1 / 3 < line["rate_high"]


def test_features_see_what_they_are_called_after():
    tiled, prose = np.tile([3, 1, 4, 1, 5, 9], 6), np.arange(36)
    texts = ["<a>{b}[c](d)", "plain words"]
    measured = dict(
        zip(enrichment.FEATURES, enrichment.measure(np.stack([tiled, prose]), texts).T, strict=True)
    )
    assert measured["longest repeat (tokens)"].tolist() == [30, 0]
    for name in ("compressibility", "repeated bigrams", "bracket density", "markup density"):
        assert measured[name][0] > measured[name][1], name


def test_labels_are_held_against_their_rate():
    everything = ["a"] * 800 + ["b"] * 200
    rows = {line["name"]: line for line in enrichment.labels(["b"] * 50 + ["a"] * 50, everything, 0.95)}
    assert rows["b"]["ratio"] == pytest.approx(2.5)
    assert rows["b"]["ratio_low"] > 1 > rows["a"]["ratio_high"]
    assert rows["b"]["p"] < 1e-6


def test_features_of_the_same_samples_show_nothing():
    values = GENERATOR.normal(size=(300, len(enrichment.FEATURES)))
    for line in enrichment.features(values[:150], values[150:], 0.9999):
        assert line["auroc_low"] < 0.5 < line["auroc_high"]


def test_a_matched_selection_has_the_labels_of_the_other():
    labels = np.array(["a"] * 60 + ["b"] * 40)
    chosen = np.array([0, 1, 2, 60, 61, 62, 63])
    first, second = (selection.random_scores(100, "matched", 0, draw) for draw in (0, 1))
    found = selection.matched(labels, chosen, first)
    assert len(set(found.tolist())) == 7
    assert sorted(labels[found]) == sorted(labels[chosen])
    assert not np.array_equal(np.sort(found), np.sort(selection.matched(labels, chosen, second)))


def test_bm25_prefers_rows_with_the_terms_of_the_query():
    rows = GENERATOR.integers(0, 50, (30, 12))
    rows[7] = 60 + np.arange(12)

    class Parts(Store):
        def parts(self, rows):
            yield self.take(rows)

    scores = selection.bm25_scores(Parts(rows), np.arange(30), np.array([[60, 61, 62], [63, 64, 65]]))
    assert scores.argmax() == 7
    assert (np.delete(scores, 7) == 0).all()
