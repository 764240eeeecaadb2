"""Agreement of variants, on scores whose agreement is known, and on disk against scipy."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mda.evidence import csv_tables, ranked
from mda.runtime import database, parquet
from mda.runtime.errors import UserError
from mda.steps.studies import agreement
from mda.studies.agreement import table

GENERATOR = np.random.default_rng(0)
INFLUENCE = GENERATOR.normal(size=1000)


def test_the_same_scores_agree_and_their_negative_does_not():
    one, two, negative = (ranked.of_array(scores, 0.1) for scores in (INFLUENCE, 2 * INFLUENCE, -INFLUENCE))
    others = [("strategy-kfac", {"unit": two}), ("seed-1", {"unit": negative})]
    same, opposite = table.variants({"unit": one}, others, 0.95)
    assert (same["spearman"], same["overlap"], same["changed"]) == (pytest.approx(1), 1, "strategy")
    assert (opposite["spearman"], opposite["overlap"], opposite["changed"]) == (pytest.approx(-1), 0, "seed")
    assert same["chance"] == 0.1


def scores(path, number, **targets):
    """A table of scores in another order than that of the run, in which rows come twice."""
    place = np.tile(np.random.default_rng(1).permutation(number), len(targets))
    parquet.write_table(
        path,
        {
            "step": place // 7,
            "row": place % (number // 2),
            "target": np.repeat(list(targets), number),
            "influence": np.concatenate(list(targets.values()))[
                place + np.repeat(np.arange(len(targets)), number) * number
            ],
            "label": [f"label {number % 5}" for number in place],
        },
    )
    return path


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_ranks_on_disk_are_those_of_scipy(tmp_path, monkeypatch, kind):
    """With ties that go on over pieces, zeros of both signs and a window."""
    monkeypatch.setattr(database, "PIECE", 2048)
    # A step has seven samples, all before or after the row that comes again.
    number = 9002
    values = np.random.default_rng(2).integers(-3, 4, number) * kind(0.1)
    values[::17] *= -1.0
    path = scores(tmp_path / "scores", number, other=0 * values, unit=values)
    inside = (np.arange(number) // 7 >= 100) & (np.arange(number) // 7 < 1200)
    mine, labels = values[inside], [f"label {place % 5}" for place in np.flatnonzero(inside)]
    with database.beside(tmp_path / "out") as data:
        found = ranked.of_table(data, "ranks", path, "unit", 0.13, (100, 1200), labelled=True)
        pieces = pd.concat(piece.to_pandas() for piece in found.pieces())
    assert pieces["row"].tolist() == (np.flatnonzero(inside) % (number // 2)).tolist()
    assert (pieces["rank"] / 2).tolist() == stats.rankdata(mine).tolist()
    held = ranked.of_array(mine, 0.13, labels)
    assert pieces["top"].tolist() == next(held.pieces()).column("top").to_pylist()
    assert found[1:] == held[1:] and sum(found.top_labels.values()) == found.top


def test_the_table_is_that_of_scores_which_are_held(tmp_path):
    generator = np.random.default_rng(3)
    one = generator.standard_t(3, (2, 4000)).round(1)
    two = (one + generator.normal(size=one.shape)).round(1)
    configured = scores(tmp_path / "configured", 4000, a=one[0], b=one[1])
    variants = [
        scores(tmp_path / "x", 4000, a=two[0], b=two[1]),
        scores(tmp_path / "y", 4000, a=one[1], b=one[0]),
    ]
    agreement.make(configured, variants, ["seed-1", "seed-2"], 0.1, 0.95, tmp_path / "out.csv")
    found = csv_tables.read(tmp_path / "out.csv")
    pairs = [*zip(one, two, strict=True), (one[0], one[1]), (one[1], one[0])]
    assert found["variant"].tolist() == ["seed-1", "seed-1", "seed-2", "seed-2"]
    for line, pair in zip(found.to_dict("records"), pairs, strict=True):
        assert line["spearman"] == float(f"{stats.spearmanr(*pair).statistic:.6g}")
        tops = [set(np.argsort(-values, kind="stable")[:400]) for values in pair]
        assert line["overlap"] == float(f"{len(tops[0] & tops[1]) / 400:.6g}")
    assert not list(tmp_path.glob(".*")), "nothing is left beside it"


def test_scores_of_other_samples_are_refused(tmp_path):
    values = np.arange(100.0)
    one, two = scores(tmp_path / "one", 100, unit=values), scores(tmp_path / "two", 90, unit=values[:90])
    with pytest.raises(UserError, match="same samples"):
        agreement.make(one, [two], ["seed-1"], 0.1, 0.95, tmp_path / "out.csv")
