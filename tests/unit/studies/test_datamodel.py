"""The linear datamodelling score, of scores whose worth is known."""

import json

import numpy as np
import pandas as pd
import pytest

from mda.runtime import cli, parquet
from mda.steps.studies import datamodel as step
from mda.studies.datamodel import table
from mda.training import schedule

GENERATOR = np.random.default_rng(0)


def test_the_datamodelling_score_finds_the_truth_and_not_noise():
    effect, noise = GENERATOR.normal(size=(2, 500))
    kept = np.array([GENERATOR.permutation(500) < 250 for _ in range(40)])
    actual = kept @ effect
    outcomes = dict.fromkeys(table.OUTCOMES, np.array([actual, actual]).T)
    predicted = {"truth": kept @ effect, "opposite": kept @ -effect, "noise": kept @ noise}
    found = {line["method"]: line for line in table.scores(outcomes, predicted, 0.9999)}
    assert found["truth"]["lds"] == pytest.approx(1)
    assert found["opposite"]["lds"] == pytest.approx(-1)
    assert found["noise"]["lds_low"] < 0 < found["noise"]["lds_high"]
    assert (found["truth"]["subsets"], found["truth"]["orders"]) == (40, 2)
    assert found["truth"]["ceiling"] == pytest.approx(1)


def test_subsets_are_predicted_by_the_scores_of_what_they_kept(tmp_path, monkeypatch):
    """By the step, on several pieces, as by arrays that hold all scores."""
    stream = schedule.base(6000, 60, 100, seed=1)
    stream.write(tmp_path / "order")
    inside = stream.between(10, 50).row
    rows = GENERATOR.permutation(6000)
    scored = {"influence": GENERATOR.normal(size=6000), "loss": GENERATOR.normal(size=6000) ** 2}
    both = {name: np.concatenate([of, -of])[:12_000].astype(np.float32) for name, of in scored.items()}
    targets = ["unit"] * 6000 + ["other"] * 6000
    parquet.write_table(tmp_path / "scores", {"target": targets, "row": np.tile(rows, 2), **both})
    control = GENERATOR.normal(size=6000)
    parquet.write_table(tmp_path / "control", {"row": rows, "score": control})
    monkeypatch.setattr(step.database, "PIECE", 1000)
    subsets = []
    for number in range(6):
        parquet.write_table(tmp_path / f"{number}", {"row": GENERATOR.permutation(inside)[:2000]})
        subsets.append(tmp_path / f"{number}")
    seen = {}
    monkeypatch.setattr(step.effect_table, "outcomes", lambda runs, threshold: runs)
    monkeypatch.setattr(
        step.table, "scores", lambda outcomes, predicted, confidence: [seen.update(predicted) or {}]
    )
    runs = [
        {"target": "unit", "selection": f"subset-{number}", "seed": 0} | dict.fromkeys(table.OUTCOMES, 0.0)
        for number in range(6)
    ]
    parquet.write_table(tmp_path / "curves", pd.DataFrame(runs))
    methods = [("influence", None), ("loss", None), ("repetition", "unit"), ("bigram", "another")]
    paths = [tmp_path / name for name in ("scores", "scores", "control", "order")]
    window = json.dumps({"start": 10, "stop": 50, "branch": None})
    given = [f"--curves={tmp_path / 'curves'}", f"--schedule={tmp_path / 'order'}", f"--window={window}"]
    given += [f"--methods={json.dumps(methods)}", "--threshold=0", "--confidence=0.95"]
    given += [f"--out={tmp_path / 'out.csv'}", "--subsets", *map(str, subsets)]
    cli.run(step.make, [*given, "--scores", *map(str, paths)])
    by_method = {"influence": both["influence"][:6000], "loss": both["loss"][:6000], "repetition": control}
    assert list(seen) == list(by_method)
    for method, values in by_method.items():
        score = dict(zip(rows.tolist(), values.tolist(), strict=True))
        for path, found in zip(subsets, seen[method], strict=True):
            kept = set(inside.tolist()) - set(parquet.read_table(path).column("row").to_pylist())
            assert found == pytest.approx(sum(score[row] for row in kept), abs=1e-9)


def test_a_ceiling_is_the_correlation_that_knowing_the_truth_would_have():
    truth = GENERATOR.normal(size=4000)
    runs = truth[:, None] + GENERATOR.normal(size=(4000, 3))
    ceiling = np.sqrt(table.reliability(runs))
    assert ceiling == pytest.approx(np.corrcoef(truth, runs.mean(axis=1))[0, 1], abs=0.02)
    assert np.isnan(table.reliability(runs[:, :1]))
    assert abs(table.reliability(GENERATOR.normal(size=(4000, 2)))) < 0.1
