"""Shards of scores become one table, with every sample's label, or an error that says what is wrong."""

import numpy as np
import pytest

from mda import files
from mda.errors import UserError
from mda.steps.merge_scores import merge

LABELS = ["prose", "tiled", "code"]


def shard(path, step, rows, influence):
    """Scores of two targets, the second's the negative of the first's."""
    count = len(rows)
    table = {
        "step": np.tile(np.full(count, step), 2),
        "row": np.tile(rows, 2),
        "target": ["one"] * count + ["two"] * count,
        "influence": np.concatenate([influence, -np.array(influence)]).astype(np.float32),
    }
    files.write_table(path, table)
    return path


def merged(tmp_path, first=(1.0, 2.0, 3.0), second=(4.0, 5.0, 6.0), samples=6):
    rows = {"row": np.arange(6), "label": [LABELS[row % 3] for row in range(6)]}
    files.write_table(tmp_path / "rows.parquet", rows)
    shards = [
        shard(tmp_path / "0.parquet", 0, [5, 0, 2], first),
        shard(tmp_path / "1.parquet", 1, [3, 1, 4], second),
    ]
    merge(shards, tmp_path / "rows.parquet", samples, tmp_path / "out.parquet")
    return files.read_table(tmp_path / "out.parquet").to_pandas()


def test_samples_are_in_order_and_have_their_labels(tmp_path):
    found = merged(tmp_path)
    assert found["target"].tolist() == ["one"] * 6 + ["two"] * 6
    assert found["row"].tolist() == [0, 2, 5, 1, 3, 4] * 2
    assert found["label"].tolist() == [LABELS[row % 3] for row in found["row"]]
    assert found["influence"].tolist() == [2, 3, 1, 5, 4, 6, -2, -3, -1, -5, -4, -6]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"samples": 7}, "target one has 6 of 7 samples"),
        ({"first": (0.0, 0.0, 0.0), "second": (0.0, 0.0, 0.0)}, "every influence on target one is zero"),
        ({"first": (0.0, 0.0, 0.0), "second": (0.0, float("nan"), 0.0)}, "some influence is not finite"),
        ({"second": (4.0, float("inf"), 6.0)}, "some influence is not finite"),
    ],
)
def test_what_is_missing_or_wrong_is_one_sentence(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        merged(tmp_path, **change)
