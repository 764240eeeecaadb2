"""The step that counts the labels of the selected samples."""

import numpy as np
import pandas as pd
import pytest

from mda.config import sections
from mda.runtime import database, parquet
from mda.steps.figures import labels as step
from mda.training import schedule


def test_labels_are_counted_piece_by_piece_inside_the_window(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "PIECE", 1000)
    generator = np.random.default_rng(0)
    labels = np.array(["some", "é <b>", "rare"])[generator.choice(3, 5000, p=[0.6, 0.3, 0.1])]
    stream = schedule.base(5000, 100, 40, seed=1)
    stream.write(tmp_path / "order")
    parquet.write_table(tmp_path / "rows", {"label": labels})
    chosen = stream.between(20, 80).row[:300]
    parquet.write_table(tmp_path / "selection", {"label": labels[chosen]})
    window = sections.Window(start=20, stop=80, branch=None)
    step.draw(
        tmp_path / "order", tmp_path / "rows", [tmp_path / "selection"], ["influence-unit"], window, "unit",
        None, 50, [tmp_path / "figure.png"], tmp_path / "labels.csv",
    )  # fmt: skip
    found = pd.read_csv(tmp_path / "labels.csv")
    for name, rows in (("all", stream.between(20, 80).row), ("influence-unit", chosen)):
        mine = found[found["selection"] == name]
        known, counts = np.unique(labels[rows], return_counts=True)
        assert mine["label"].tolist() == known.tolist()
        assert mine["count"].tolist() == counts.tolist()
        assert mine["share"].to_numpy() == pytest.approx(counts / len(rows), abs=1e-6)
