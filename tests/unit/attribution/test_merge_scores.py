"""Shards of scores become one table, with every sample's label, or an error that says what is wrong."""

import logging
import re

import numpy as np
import pyarrow as pa
import pytest

from mda.evidence import score_notes
from mda.runtime import parquet
from mda.runtime.errors import UserError
from mda.steps.attribution.merge_scores import merge

LABELS = ["prose", "tiled", "code"]
BLOCKS = {"one": ["qk"], "two": ["qk"]}


def shard(path, step, rows, influence):
    """Scores of two targets, the second's the negative of the first's."""
    count = len(rows)
    table = {
        "step": np.tile(np.full(count, step), 2),
        "row": np.tile(rows, 2),
        "target": ["one"] * count + ["two"] * count,
        "influence": np.concatenate([influence, -np.array(influence)]).astype(np.float32),
    }
    parquet.write_table(path, table)
    return path


def merged(tmp_path, first=(1.0, 2.0, 3.0), second=(4.0, 5.0, 6.0), samples=6):
    rows = {"row": np.arange(6), "label": [LABELS[row % 3] for row in range(6)]}
    parquet.write_table(tmp_path / "rows.parquet", rows)
    shards = [
        shard(tmp_path / "0.parquet", 0, [5, 0, 2], first),
        shard(tmp_path / "1.parquet", 1, [3, 1, 4], second),
    ]
    merge(shards, tmp_path / "rows.parquet", samples, BLOCKS, tmp_path / "out.parquet")
    return parquet.read_table(tmp_path / "out.parquet").to_pandas()


def test_samples_are_in_order_and_have_their_labels(tmp_path):
    found = merged(tmp_path)
    assert found["target"].tolist() == ["one"] * 6 + ["two"] * 6
    assert found["row"].tolist() == [0, 2, 5, 1, 3, 4] * 2
    assert found["label"].tolist() == [LABELS[row % 3] for row in found["row"]]
    assert found["influence"].tolist() == [2, 3, 1, 5, 4, 6, -2, -3, -1, -5, -4, -6]


@pytest.mark.parametrize("together", [1, 3, 2**18])
def test_shards_may_share_a_step_and_come_in_any_order(tmp_path, monkeypatch, together):
    """As where a step's samples are more than a job scores."""
    generator = np.random.default_rng(0)
    rows = generator.permutation(40)
    parquet.write_table(tmp_path / "rows.parquet", {"label": [f"label {row}" for row in range(40)]})
    shards = []
    for place, part in enumerate(np.split(np.arange(40), [7, 9, 25, 38])):
        # Ten samples a step.
        steps = {step: part[part // 10 == step] for step in np.unique(part // 10)}
        own = [
            shard(tmp_path / f"{place}-{step}.parquet", step, rows[mine], -mine)
            for step, mine in steps.items()
        ]
        whole = tmp_path / f"{place}.parquet"
        parquet.write_table(whole, pa.concat_tables([parquet.read_table(path) for path in own]))
        shards.append(whole)
    generator.shuffle(shards)
    merge(shards, tmp_path / "rows.parquet", 40, BLOCKS, tmp_path / "out.parquet")
    found = parquet.read_table(tmp_path / "out.parquet").to_pandas()
    places = np.lexsort((rows, np.arange(40) // 10))
    for target, sign in (("one", -1), ("two", 1)):
        mine = found[found["target"] == target]
        assert mine["row"].tolist() == rows[places].tolist()
        assert mine["step"].tolist() == (places // 10).tolist()
        assert mine["influence"].tolist() == (sign * places).tolist()
        assert mine["label"].tolist() == [f"label {row}" for row in rows[places]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"samples": 7}, "target one has 6 of 7 samples"),
        ({"first": (0.0, 0.0, 0.0), "second": (0.0, 0.0, 0.0)}, "every influence on one, two is zero"),
        ({"first": (0.0, 0.0, 0.0), "second": (0.0, float("nan"), 0.0)}, "on target one is not finite"),
        ({"second": (4.0, float("inf"), 6.0)}, "some influence on target one is not finite"),
    ],
)
def test_what_is_missing_or_wrong_is_one_sentence(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        merged(tmp_path, **change)


def test_one_target_of_zeros_does_not_stop_the_others(tmp_path, caplog):
    """A dead neuron: it is named where the scores are made, and in their table."""
    rows = {"row": np.arange(3), "label": ["prose"] * 3}
    parquet.write_table(tmp_path / "rows.parquet", rows)
    table = {
        "step": np.zeros(6, int), "row": np.tile(np.arange(3), 2),
        "target": ["dead"] * 3 + ["live"] * 3,
        "influence": np.array([0, 0, 0, 1, 2, 3], np.float32),
        "in": np.zeros(6, np.float32), "out": np.array([0, 0, 0, 1, 2, 3], np.float32),
    }  # fmt: skip
    parquet.write_table(tmp_path / "0.parquet", table)
    out = tmp_path / "out.parquet"
    with caplog.at_level(logging.WARNING):
        merge(
            [tmp_path / "0.parquet"], tmp_path / "rows.parquet", 3,
            {"dead": ["in", "out"], "live": ["in", "out"]}, out,
        )  # fmt: skip
    told = score_notes.notes(out, "dead")
    assert [re.split('[:,]', sentence)[0] for sentence in told] == [
        "block in counts 0 in every sample", "block out counts 0 in every sample",
        "all 3 scores are equal (0)",
    ]  # fmt: skip
    assert [sentence.split()[1] for sentence in score_notes.notes(out, "live")] == ["in"]
    assert [f"target dead: {sentence}" for sentence in told] == caplog.messages[:3]
    assert parquet.read_table(out).num_rows == 6


def test_scores_that_are_equal_but_for_rounding_rank_nothing(tmp_path):
    merged(tmp_path, (1.0, 1.0, 1.0 + 1e-7), (1.0, 1.0, 1.0))
    [sentence] = score_notes.notes(tmp_path / "out.parquet", "one")
    assert sentence.startswith("all 6 scores are equal (1), so that they rank nothing")
    merged(tmp_path, (1.0, 1.0, 1.001), (1.0, 1.0, 1.0))
    assert score_notes.notes(tmp_path / "out.parquet", "one") == []
