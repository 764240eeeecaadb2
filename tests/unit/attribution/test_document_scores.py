"""Scores of documents: sums over their rows, with the user's columns."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mda.runtime import database, parquet
from mda.runtime.errors import UserError
from mda.steps.attribution.document_scores import collect

DOCUMENTS = pa.table(
    {
        "document": [0, 1, 2, 5],
        "label": list("abcd"),
        "origin": list("wxyz"),
        "split": ["train"] * 4,
        "id": [7, 8, 9, 3],
    }
)
ROWS = pa.table({"row": range(5), "documents": [[0], [0], [1], [2], [5]], "tokens": [5, 3, 2, 1, 4]})


def found(tmp_path, rows, documents, **targets):
    """The table that the step writes; of each target the influence of the rows, in their order."""
    names = {
        "scores": tmp_path / "scores",
        "train_rows": tmp_path / "rows",
        "documents": tmp_path / "documents",
    }
    count = rows.num_rows
    scores = {
        "row": np.tile(np.arange(count), len(targets)),
        "target": np.repeat(list(targets), count),
        "influence": np.concatenate([np.asarray(values, np.float32) for values in targets.values()]),
        "loss": np.tile(np.arange(3, 3 + count) % 5, len(targets)).astype(np.float32),
    }
    # In any order: what is written is sorted.
    order = np.random.default_rng(0).permutation(len(scores["row"]))
    parquet.write_table(names["scores"], {name: column[order] for name, column in scores.items()})
    parquet.write_table(names["train_rows"], rows)
    parquet.write_table(names["documents"], documents)
    collect(**names, out=tmp_path / "out")
    assert not list(tmp_path.glob(".*")), "nothing is left beside it"
    return parquet.read_table(tmp_path / "out")


def test_a_document_is_the_sum_of_its_rows(tmp_path):
    table = found(tmp_path, ROWS, DOCUMENTS, one=[4.0, 2.0, 3.0, 0.0, 1.0], two=[0.0] * 5)
    one, two = ([line for line in table.to_pylist() if line["target"] == target] for target in ("one", "two"))
    assert [line["document"] for line in one] == [0, 1, 5, 2]
    first = one[0]
    assert (first["influence"], first["tokens"], first["id"], first["label"]) == (6.0, 6, 7, "a")
    assert (first["influence_per_token"], first["loss_per_token"]) == (1.0, 7 / 6)
    assert [line["rank"] for line in one] == [1, 2, 3, 4]
    assert [line["percentile"] for line in one] == [87.5, 62.5, 37.5, 12.5]
    # One token, of which nothing is predicted.
    assert (one[-1]["tokens"], one[-1]["loss_per_token"], one[-1]["influence_per_token"]) == (0, None, None)
    assert {line["percentile"] for line in two} == {50.0}
    # Ties go by number.
    assert [line["document"] for line in two] == [0, 1, 2, 5]


@pytest.mark.parametrize("piece", [2048, 2**17])
def test_ranks_are_those_of_all_documents_however_they_are_read(tmp_path, monkeypatch, piece):
    """Against pandas, with ties that go on over pieces, and columns with nothing in them."""
    monkeypatch.setattr(database, "PIECE", piece)
    generator = np.random.default_rng(1)
    owners = np.repeat(np.arange(4000), generator.integers(1, 4, 4000))
    tokens = generator.integers(1, 9, len(owners))
    rows = pa.table({"documents": [[owner] for owner in owners], "tokens": tokens})
    documents = pa.table(
        {
            "document": np.arange(4000),
            "text": ["some"] * 4000,
            "label": [f"label {place % 7}" for place in range(4000)],
            "origin": ["here"] * 4000,
            "split": ["train"] * 4000,
            'a "name"': pa.array([None if place % 3 else place / 4 for place in range(4000)]),
            "nothing": pa.nulls(4000),
            "when": pa.array(np.arange(4000), pa.timestamp("us")),
        }
    )
    values = generator.integers(0, 3, len(owners)).astype(float)
    table = found(tmp_path, rows, documents, one=values)
    mine = pd.DataFrame({"document": owners, "influence": values, "tokens": tokens - 1}).groupby("document")
    wanted = mine.sum().reset_index().sort_values(["influence", "document"], ascending=[False, True])
    read = table.to_pandas()
    assert read["document"].tolist() == wanted["document"].tolist()
    assert read["influence"].tolist() == wanted["influence"].tolist()
    assert read["tokens"].tolist() == wanted["tokens"].tolist()
    assert read["rank"].tolist() == list(range(1, 4001))
    ranks = wanted["influence"].rank(method="average").to_numpy()
    assert read["percentile"].to_numpy() == pytest.approx(100 * (ranks - 0.5) / 4000)
    kept = documents.take(wanted["document"].to_numpy())
    for name in ('a "name"', "nothing", "when", "label"):
        assert table[name].combine_chunks().equals(kept[name].combine_chunks()), name


def test_a_document_may_be_all_there_is(tmp_path):
    rows = pa.table({"documents": [[5]] * 3, "tokens": [2, 2, 2]})
    [line] = found(tmp_path, rows, DOCUMENTS, one=[1.0, 2.0, 3.0]).to_pylist()
    assert (line["document"], line["influence"], line["percentile"], line["id"]) == (5, 6.0, 50.0, 3)


def test_packed_rows_have_no_documents_of_their_own(tmp_path):
    packed = ROWS.drop_columns(["tokens"])
    with pytest.raises(UserError, match=r"set tokens\.pack to false"):
        found(tmp_path, packed, DOCUMENTS, one=np.arange(5.0))
