"""Facts about all scores, of which no more than a part is held, against pandas and numpy."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from mda.evidence import score_parts, score_table
from mda.report import trace_results
from mda.runtime import parquet
from mda.studies.enrichment import table as enrichment
from mda.studies.tail import table as tail

GENERATOR = np.random.default_rng(0)
COUNT = 5000


@pytest.fixture
def scores(tmp_path):
    """A table of two targets with many ties, and the second's lines as a frame."""
    values = np.concatenate([np.zeros(COUNT), GENERATOR.standard_t(3, COUNT).round(1)])
    columns = {
        "step": np.tile(np.arange(COUNT) // 50, 2),
        "row": np.tile(GENERATOR.permutation(COUNT), 2),
        "target": ["first"] * COUNT + ["second"] * COUNT,
        "influence": values.astype(np.float32),
        "label": np.tile(GENERATOR.choice(list("abc"), COUNT), 2),
    }
    frame = pd.DataFrame(columns)
    parquet.write_table(tmp_path / "scores", frame)
    # Some row groups have both targets.
    table = parquet.read_table(tmp_path / "scores")
    pq.write_table(table, tmp_path / "scores", row_group_size=700)
    return tmp_path / "scores", frame[frame["target"] == "second"].reset_index(drop=True)


def parts_of(scores, *columns):
    return score_parts.of_target(scores[0], "second", list(columns) or ["row", "influence", "label"])


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_any_place_of_falling_numbers_is_found(kind):
    values = np.concatenate([GENERATOR.normal(size=500).round(1), [0.0, -0.0, np.inf, -np.inf, 1e-300]])
    values = values.astype(kind)
    falling = np.sort(values)[::-1]
    for place in [1, 2, 3, 100, 250, 251, len(values)]:
        found = score_parts.highest(lambda: iter(np.array_split(values, 7)), place)
        assert found == falling[place - 1], place


@pytest.mark.parametrize("sign", [1, -1])
def test_the_top_has_the_first_of_those_that_are_equal(scores, sign):
    frame = scores[1]
    for number in (1, 37, 500, COUNT):
        found = pd.concat(score_parts.top(parts_of(scores), number, sign)())
        wanted = frame.iloc[np.sort(np.argsort(-sign * frame["influence"], kind="stable")[:number])]
        assert found["row"].tolist() == wanted["row"].tolist()


def test_labels_and_lines_at_places_are_those_of_the_table(scores):
    path, frame = scores
    for label, found in score_parts.labels(parts_of(scores)).items():
        mine = frame.loc[frame["label"] == label, "influence"].to_numpy(float)
        assert found == pytest.approx((len(mine), mine.mean(), mine.std()))
    places = GENERATOR.choice(COUNT, 200)
    assert score_parts.lines_at(parts_of(scores), places)["row"].tolist() == frame["row"][places].tolist()
    inside = score_parts.of_target(path, "second", ["row"], (3, 7))
    assert pd.concat(inside())["row"].tolist() == frame["row"][150:350].tolist()


def test_influence_of_some_rows_is_in_their_order(scores):
    path, frame = scores
    rows = GENERATOR.permutation(COUNT)[:99]
    found = score_table.influence_of(path, "second", rows)
    assert found.tolist() == frame.set_index("row")["influence"].loc[rows].tolist()


def test_no_more_than_a_piece_of_a_table_is_read_at_once(scores):
    sizes = [len(part) for part in parts_of(scores)()]
    assert sum(sizes) == COUNT and max(sizes) <= 2**16


def test_both_ends_are_those_of_all_rows(scores):
    path, frame = scores
    ranked = frame.sort_values("influence", ascending=False, kind="stable")["row"].tolist()
    found = trace_results.of_rows(path, 20)["second"]
    assert [line.what for line in found.highest] == [f"row {row}" for row in ranked[:20]]
    assert [line.what for line in found.lowest] == [f"row {row}" for row in ranked[-20:][::-1]]
    assert [line.rank for line in found.lowest] == list(range(COUNT, COUNT - 20, -1))
    every = trace_results.of_rows(path, COUNT)["second"]
    assert len(every.highest) == len(every.lowest) == every.number == COUNT


def test_a_tail_of_many_is_that_of_all_with_an_interval_of_some(scores, monkeypatch):
    """What is told of all is the same; the interval of a fifth is as wide as that of all."""
    parts = {"second": parts_of(scores, "influence", "label")}
    monkeypatch.setattr(tail, "RESAMPLES", 300)
    [held] = tail.tails(parts, 0.1, 0, 0.95).to_dict("records")
    monkeypatch.setattr(tail, "MOST", COUNT // 5)
    [found] = tail.tails(parts, 0.1, 0, 0.95).to_dict("records")
    for name in ("samples", "share", "normal", "excess", "excess_kurtosis"):
        assert found[name] == pytest.approx(held[name], rel=1e-9), name
    for name in ("share", "excess"):
        width, wanted = (one[f"{name}_high"] - one[f"{name}_low"] for one in (found, held))
        assert 0.6 < width / wanted < 1.7
        assert found[f"{name}_low"] < found[name] < found[f"{name}_high"]


def test_enrichment_counts_the_labels_of_both_ends(scores):
    frame = scores[1]
    count = len(enrichment.FEATURES)
    table = enrichment.enrichment(
        {"second": parts_of(scores)}, lambda rows: np.tile(rows[:, None] * 1.0, count), np.arange, 0.1, 0.95
    ).set_index(["side", "name"])
    for side, sign in (("proponents", 1), ("opponents", -1)):
        chosen = frame.iloc[np.argsort(-sign * frame["influence"], kind="stable")[: COUNT // 10]]
        for label, share in chosen["label"].value_counts(normalize=True).items():
            assert table.loc[(side, label), "share"] == pytest.approx(share)
        assert table.loc[(side, "compressibility"), "share"] == pytest.approx(chosen["row"].mean())
