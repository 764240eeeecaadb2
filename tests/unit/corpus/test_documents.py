"""Rows of single documents, and columns of the user's that go along."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from mda.config import corpus_sections
from mda.corpus import encoding, tokens
from mda.corpus.tokens import PADDED, TokenStore
from mda.runtime import files
from mda.runtime.errors import UserError
from mda.steps.corpus import corpus as corpus_step
from mda.steps.corpus import tokens as tokens_step

CONTEXT = 4


@pytest.fixture
def letters():
    """A token a letter, and one that ends a document."""
    tokenizer = Tokenizer(models.WordLevel({"</s>": 0, **{c: n for n, c in enumerate("abcdefghz", 1)}}, "z"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    encoding.frame(tokenizer, "</s>", None)
    return tokenizer


def documents(*texts):
    return pa.table({"document": range(len(texts)), "text": texts, "label": ["x"] * len(texts)})


def test_every_token_but_a_documents_first_is_predicted_once(letters):
    texts = ["a b c d e f g h", "a", "a b c d", "a b c d e"]
    array, rows = tokens.lay_out(letters, documents(*texts), CONTEXT)
    predicted = {number: [] for number in range(len(texts))}
    for line, stored in zip(rows.to_pylist(), array, strict=True):
        kept = stored[: line["tokens"]]
        assert tokens.padding(stored).tolist() == [False] * line["tokens"] + [True] * (5 - line["tokens"])
        assert line["documents"], line["offsets"] == ([line["documents"][0]], [0])
        predicted[line["documents"][0]] += kept[1:].tolist()
    for number, text in enumerate(texts):
        assert predicted[number] == [*(1 + "abcdefgh".index(c) for c in text.split()[1:]), 0]
    assert json.loads(rows.schema.metadata[b"text"])["tokens"] == 9 + 2 + 5 + 6


def test_a_store_says_what_fills_its_rows(letters, tmp_path):
    array, _ = tokens.lay_out(letters, documents("a b", "a b c d"), CONTEXT)
    files.write_array(tmp_path / "store.npy", array)
    store = TokenStore(tmp_path / "store.npy")
    assert store.take(np.array([0])).tolist() == [[1, 2, 0, PADDED, PADDED]]
    assert [row.tolist() for part in store.tokens_of(np.array([1, 0]), 1) for row in part] == [
        [1, 2, 3, 4, 0],
        [1, 2, 0],
    ]


def collected(tmp_path, rows, columns, held_out=0.0, **settings):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    empty = dict.fromkeys(("synthetic", "files", "huggingface", "tokenized"))
    table = {"path": str(path), "text": "text", "label": None, "columns": columns, **settings}
    chosen = {"source": "jsonl", "held_out": held_out, "split_seed": 0, "table": table, **empty}
    corpus_step.collect(corpus_sections.Corpus.model_validate(chosen), tmp_path / "documents.parquet")
    return pq.read_table(tmp_path / "documents.parquet")


def test_the_users_columns_go_along_in_their_own_types(tmp_path):
    rows = [
        {"text": "a b", "id": 7, "meta": {"url": "http://a"}, "mixed": 1, "tags": ["x"]},
        {"text": "c d", "id": 9, "meta": {"url": None}, "mixed": "one", "tags": []},
        {"text": "e f", "id": 8, "meta": {}, "mixed": {"deep": True}, "tags": ["y", "z"]},
    ]
    table = collected(tmp_path, rows, ["id", "meta.url", "mixed", "tags"])
    assert table["id"].to_pylist() == [7, 9, 8]
    assert table["meta.url"].to_pylist() == ["http://a", None, None]
    assert table["mixed"].to_pylist() == ["1", "one", '{"deep": true}']
    assert table["tags"].to_pylist() == [["x"], [], ["y", "z"]]
    assert set(table["split"].to_pylist()) == {"train"}


def test_a_column_that_no_row_has_is_told(tmp_path):
    with pytest.raises(UserError, match=r"corpus.table.columns: no row has a column 'uid': .*text, id; mend"):
        collected(tmp_path, [{"text": "a", "id": 1}, {"text": "b", "id": 2}], ["id", "uid"])
    with pytest.raises(ValueError, match="'label' is a column that tables of documents have anyway"):
        collected(tmp_path, [{"text": "a"}], ["label"])


def test_nothing_needs_to_be_held_out(tmp_path, letters):
    collected(tmp_path, [{"text": "a b c d e f"}], [])
    letters.save(str(tmp_path / "tokenizer.json"))
    outputs = [tmp_path / name for name in ("train.npy", "train.parquet", "held.npy", "held.parquet")]
    for packed in (True, False):
        tokens_step.pack(
            tmp_path / "documents.parquet", tmp_path / "tokenizer.json", CONTEXT, packed, *outputs
        )
        assert np.load(outputs[2]).shape == (0, CONTEXT + 1)
        assert len(np.load(outputs[0])) == (1 if packed else 2)


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        # Hashes of 64 bits are what many corpora have for ids.
        ([2**64 - 1, 7], ["18446744073709551615", "7"]),
        ([{}, {}], ["{}", "{}"]),
        ([json.loads("[" * 200 + "]" * 200)], ["[" * 200 + "]" * 200]),
        ([0.5, 2**53 + 1], ["0.5", "9007199254740993"]),
    ],
)
def test_columns_that_no_type_holds_are_kept_as_text(tmp_path, values, kept):
    table = collected(tmp_path, [{"text": "a", "id": value} for value in values], ["id"])
    assert table["id"].to_pylist() == kept


def test_half_a_character_in_ones_own_column_is_told_with_its_line(tmp_path):
    with pytest.raises(UserError, match=r"line 2 has half of a character, \\ud800; mend it"):
        collected(tmp_path, [{"text": "a", "id": "x"}, {"text": "b", "id": {"y": ["\ud800"]}}], ["id"])


def test_a_skipped_row_says_nothing_of_ones_own_columns(tmp_path):
    with pytest.raises(UserError, match="gives 0 non-empty documents"):
        collected(tmp_path, [{"text": None, "id": 1}], ["id"], missing="skip")
