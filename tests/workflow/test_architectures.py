"""Another architecture through the rules: grouped queries, from random weights to scores."""

import pandas as pd
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.rare]


def test_a_model_with_grouped_queries_is_trained_and_traced(finished, tmp_path):
    project = finished.copy(tmp_path / "project")
    before = pd.read_parquet(project.results / "scores" / "scores.parquet")
    project.configure("model.architecture", "mistral")
    project.configure("model.settings.num_key_value_heads", 1)
    project.snakemake("--until", "scores")
    scores = pd.read_parquet(project.results / "scores" / "scores.parquet")
    assert scores[["row", "target"]].equals(before[["row", "target"]])
    assert not scores["influence"].equals(before["influence"])
    assert scores["influence"].abs().gt(0).mean() > 0.9
    # Nothing but the model changed.
    assert "tokens" not in project.planned()
