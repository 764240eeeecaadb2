"""Walks back through trainings, by their rules, on the tiny experiment."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import tables

pytestmark = pytest.mark.slow

OUTCOMES = [
    {"name": "matching", "measure": "metric", "target": "induction-1", "when": "mean"},
    {"name": "own-probe", "measure": "probe", "target": "pair", "when": "end"},
    {"name": "held-out", "measure": "held_out_loss", "when": "mean"},
]


@pytest.fixture(scope="module")
def walked(finished, tmp_path_factory):
    project = finished.copy(tmp_path_factory.mktemp("trajectory") / "project")
    project.configure(
        "trajectory", {"orders": [0, 1], "base_run": True, "outcomes": OUTCOMES, "keep_every": 2}
    )
    planned = project.planned()
    assert (planned["trajectory"], planned["trajectory_mean"]) == (3, 1)
    # What was there is not made again, but the pages say more of the configuration now.
    assert not planned.keys() & {"base_run", "retrain", "score_shard", "select"}
    project.snakemake("results/trajectory/mean.parquet", "results/trajectory/order-run.parquet")
    return project


@pytest.mark.parametrize("order", ["0", "1", "run"])
def test_every_sample_of_the_way_has_a_score(walked, order):
    scores = pq.read_table(walked.results / "trajectory" / f"order-{order}.parquet").to_pandas()
    stream = "order" if order == "run" else f"orders/seed-{order}"
    schedule = pq.read_table(walked.results / "schedules" / f"{stream}.parquet").to_pandas()
    schedule = schedule[schedule["step"] >= 2]
    for outcome in OUTCOMES:
        mine = scores[scores["outcome"] == outcome["name"]]
        for column in ("step", "update", "slot", "row", "role"):
            assert mine[column].tolist() == schedule[column].tolist()
        assert np.isfinite(mine["score"]).all()
        assert mine["score"].std() > 0


def test_what_is_measured_on_the_way_is_what_the_run_measured(walked):
    """Of the branch without an intervention, and of the base run from where branches start."""
    for order, run in (("1", "runs/base/seed-1"), ("run", "base")):
        curves = pq.read_table(walked.results / "trajectory" / f"order-{order}.curves.parquet").to_pandas()
        mine = curves[curves["outcome"] == "held-out"].set_index("step")["value"]
        steps = pq.read_table(walked.results / run / "steps.parquet").to_pandas().set_index("step")
        assert mine.to_numpy() == pytest.approx(steps["held_out_loss"][mine.index].to_numpy(), rel=1e-5)
        assert curves["derivative"].notna().sum() == 3 * (len(mine) - 1)


def test_the_mean_is_over_orders_and_not_over_the_base_run(walked):
    mean = pq.read_table(walked.results / "trajectory" / "mean.parquet").to_pandas()
    window = pq.read_table(walked.results / "schedules" / "orders" / "seed-0.parquet").to_pandas()
    reliability = pd.read_csv(walked.results / "trajectory" / "reliability.csv")
    assert reliability["outcome"].tolist() == [outcome["name"] for outcome in OUTCOMES]
    assert (reliability["orders"] == 2).all()
    for name in reliability["outcome"]:
        assert sorted(mean[mean["outcome"] == name]["row"]) == sorted(window["row"])
    parts = []
    for order in (0, 1):
        table = pq.read_table(walked.results / "trajectory" / f"order-{order}.parquet").to_pandas()
        mine = table[table["outcome"] == "matching"]
        by_step = mine.groupby("step")["score"]
        standard = (mine["score"] - by_step.transform("mean")) / by_step.transform("std", ddof=0)
        parts.append(standard.set_axis(mine["row"]))
    expected = (parts[0] + parts[1]) / 2
    found = mean[mean["outcome"] == "matching"].set_index("row")["score"]
    assert found.to_numpy() == pytest.approx(expected[found.index].to_numpy(), rel=1e-6, abs=1e-9)
    between = np.corrcoef(parts[0].sort_index(), parts[1].sort_index())[0, 1]
    assert reliability["between_halves"][0] == pytest.approx(between, rel=1e-4)


def test_masking_is_predicted(walked, tmp_path):
    project = walked.copy(tmp_path / "project")
    project.configure("studies.linearity", {"selections": ["random", "trajectory"], "fractions": [0.02, 0.5]})
    project.snakemake("results/figures/evidence/linearity.png")
    table = pd.read_csv(project.results / "evidence" / "linearity.csv")
    assert len(table) == 2 * 2 * 2
    assert (table["samples"] > 0).all()
    # Each is much of its batch, so that the change is not small: it is told from half and from twice of it.
    few = table[table["fraction"] == 0.02]
    assert (few["samples"] == 2).all()
    assert (few["found"] / few["predicted"]).between(0.5, 2).all()
    assert not {name for name in tables.described(project.results) if "linearity" in name}


def test_the_columns_are_described(walked):
    assert not {name for name in tables.described(walked.results) if name.startswith("trajectory/")}


def test_samples_are_selected_by_walks(walked):
    """By trajectory, each run has the selection of its own order; by history, all have one."""
    project, name = walked, "induction-1"
    methods = ["influence", "random", "trajectory", "history"]
    project.configure("experiments.interventions", [{"kind": "replace", "selections": methods}])
    places = {0: f"trajectory-{name}/draw-0", 1: f"trajectory-{name}/draw-1", "mean": f"history-{name}"}
    tops = {key: f"results/selections/{place}/top-10.parquet" for key, place in places.items()}
    project.snakemake(
        *tops.values(), f"results/schedules/branches/replace/trajectory-{name}/top-10/seed-1.parquet"
    )
    for key, path in tops.items():
        scores = "mean" if key == "mean" else f"order-{key}"
        table = pq.read_table(project.results / "trajectory" / f"{scores}.parquet").to_pandas()
        best = table[table["outcome"] == "matching"].nlargest(10, "score")
        found = pq.read_table(project.folder / path).to_pandas()
        assert found["row"].tolist() == best["row"].tolist()
    branch = project.results / "schedules" / "branches" / "replace" / f"trajectory-{name}" / "top-10"
    stream = pq.read_table(branch / "seed-1.parquet").to_pandas()
    own = pq.read_table(project.folder / tops[1]).to_pandas()["row"]
    assert not set(own) & set(stream[stream["step"] >= 2]["row"])
    planned = project.planned("results/tables/effects.csv")
    # By trajectory and history, for two targets and two orders.
    assert planned["retrain"] == 8


def test_another_order_walks_once_more(walked):
    project = walked
    project.configure(
        "trajectory", {"orders": [0, 1, 2], "base_run": True, "outcomes": OUTCOMES, "keep_every": 2}
    )
    planned = project.planned("results/trajectory/mean.parquet", "results/trajectory/order-run.parquet")
    assert dict(planned) == {"reorder": 1, "trajectory": 1, "trajectory_mean": 1}
