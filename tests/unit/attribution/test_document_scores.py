"""Scores of documents: sums over their rows, with the user's columns."""

import numpy as np
import pyarrow as pa
import pytest

from mda.attribution import document_scores
from mda.runtime.errors import UserError

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


def scores(**targets):
    """The targets, and what gives the scores of one."""
    common = {"row": [4, 3, 2, 1, 0], "loss": [4.0, 0.0, 2.0, 1.0, 3.0]}
    return targets, lambda name: pa.table({**common, "influence": targets[name]})


def test_a_document_is_the_sum_of_its_rows():
    found = document_scores.tables(*scores(one=[1.0, 0.0, 3.0, 2.0, 4.0], two=[0.0] * 5), ROWS, DOCUMENTS)
    one, two = (table.to_pylist() for table in found)
    assert [line["document"] for line in one] == [0, 1, 5, 2]
    first = one[0]
    assert (first["influence"], first["tokens"], first["id"], first["label"]) == (6.0, 6, 7, "a")
    assert (first["influence_per_token"], first["loss_per_token"]) == (1.0, 4 / 6)
    assert [line["rank"] for line in one] == [1, 2, 3, 4]
    assert [line["percentile"] for line in one] == [87.5, 62.5, 37.5, 12.5]
    # One token, of which nothing is predicted.
    assert (one[-1]["tokens"], one[-1]["loss_per_token"], one[-1]["influence_per_token"]) == (0, None, None)
    assert {line["percentile"] for line in two} == {50.0}
    assert {line["target"] for line in two} == {"two"}


def test_packed_rows_have_no_documents_of_their_own():
    packed = ROWS.drop_columns(["tokens"])
    with pytest.raises(UserError, match=r"set tokens\.pack to false"):
        next(document_scores.tables(*scores(one=np.arange(5.0)), packed, DOCUMENTS))
