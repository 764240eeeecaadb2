"""Corpus sources, packing, and stores that are truncated or wrong."""

import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mda.config import corpus_sections
from mda.corpus import encoding, sources, synthetic, tokenizer, tokens
from mda.corpus.document import Document
from mda.runtime import parquet
from mda.runtime.errors import UserError
from mda.steps.corpus import corpus as corpus_step
from mda.steps.corpus import tokenizer as tokenizer_step
from mda.steps.corpus import tokens as tokens_step


def own_tokenizer(vocabulary):
    return corpus_sections.Tokenizer(
        kind="bpe", vocabulary=vocabulary, path=None, revision=None, end=None, begin=None
    )


def settings(default, source, **changes):
    return corpus_sections.Corpus.model_validate({**default["corpus"], "source": source, **changes})


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "texts"
    (root / "sub").mkdir(parents=True)
    (root / "a.py").write_text("print('a')")
    (root / "sub" / "b.py").write_text("é = 1")
    (root / "c.html").write_text("<p>c</p>")
    return root


def local(folder, **changes):
    section = {
        "root": str(folder),
        "patterns": [{"label": "code", "glob": "**/*.py"}, {"label": "all", "glob": "**/*.*"}],
        "exclude": [],
        "undecodable": "error",
        "max_characters": 8,
    }
    return {**section, **changes}


def test_files_get_the_label_of_the_first_pattern(default, folder):
    found = list(sources.documents(settings(default, "files", files=local(folder))))
    assert found == [
        Document("print('a", "code", "a.py"),
        Document("<p>c</p>", "all", "c.html"),
        Document("é = 1", "code", "sub/b.py"),
    ]


def test_excluded_files_are_left_out(default, folder):
    chosen = settings(default, "files", files=local(folder, exclude=["sub/*"]))
    assert [document.origin for document in sources.documents(chosen)] == ["a.py", "c.html"]


def test_a_file_that_is_not_utf8_is_one_sentence_or_skipped(default, folder):
    (folder / "z.py").write_bytes(b"ab\xff")
    with pytest.raises(UserError, match=r"z\.py: not UTF-8 at byte 2; convert the file, leave it out"):
        list(sources.documents(settings(default, "files", files=local(folder))))
    skipping = settings(default, "files", files=local(folder, undecodable="skip"))
    assert len(list(sources.documents(skipping))) == 3


def test_an_edited_file_changes_the_fingerprint_and_a_touch_does_not(default, folder):
    chosen = settings(default, "files", files=local(folder))
    before = sources.fingerprint(chosen)
    (folder / "a.py").touch()
    assert sources.fingerprint(chosen) == before
    (folder / "a.py").rename(folder / "sub" / "a.py")
    moved = sources.fingerprint(chosen)
    (folder / "sub" / "a.py").write_text("print('b')")
    assert len({before, moved, sources.fingerprint(chosen)}) == 3


def test_jsonl_and_parquet_give_the_same_documents(default, tmp_path):
    records = [{"body": "one", "kind": "x"}, {"body": "two", "kind": "y"}]
    lines, table = tmp_path / "d.jsonl", tmp_path / "d.parquet"
    lines.write_text("".join(json.dumps(record) + "\n" for record in records))
    pq.write_table(pa.Table.from_pylist(records), table)
    found = [
        [
            (document.text, document.label)
            for document in sources.documents(
                settings(default, source, table={"path": str(path), "text": "body", "label": "kind"})
            )
        ]
        for source, path in (("jsonl", lines), ("parquet", table))
    ]
    assert found[0] == found[1] == [("one", "x"), ("two", "y")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"body": "a"}\nnot json\n', "line 2 is not JSON"),
        (b'{"body": "\xff"}\n', "line 1 is not UTF-8"),
        (b'{"text": "a"}\n', "has no column 'body', only text"),
        (b'{"body": 3}\n', "column 'body' is no text"),
        (b'["body"]\n', r"d\.jsonl: line 1 is no object with columns"),
    ],
)
def test_bad_jsonl_is_one_sentence(default, tmp_path, content, words):
    path = tmp_path / "d.jsonl"
    path.write_bytes(content)
    chosen = settings(default, "jsonl", table={"path": str(path), "text": "body", "label": None})
    with pytest.raises(UserError, match=words):
        list(sources.documents(chosen))


def test_huggingface_streams_through_datasets(default, tmp_path, monkeypatch):
    """A local folder stands for the repository; the real client reads it."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    data = tmp_path / "repository"
    data.mkdir()
    (data / "train.jsonl").write_text("".join(json.dumps({"text": f"t{n}"}) + "\n" for n in range(9)))
    section = {
        "repository": str(data),
        "revision": "main",
        "subset": None,
        "split": "train",
        "text": "text",
        "label": None,
        "documents": 4,
    }
    found = list(sources.documents(settings(default, "huggingface", huggingface=section)))
    assert [document.text for document in found] == ["t0", "t1", "t2", "t3"]
    assert {document.label for document in found} == {"all"}
    section["repository"] = str(tmp_path / "nothing")
    with pytest.raises(UserError, match=r"cannot be read .* check the name, the revision and the network"):
        list(sources.documents(settings(default, "huggingface", huggingface=section)))


def test_synthetic_corpus_is_what_it_says(default):
    section = corpus_sections.Synthetic.model_validate({**default["corpus"]["synthetic"], "documents": 2000})
    found = list(synthetic.documents(section))
    assert found == list(synthetic.documents(section))
    assert sum(document.label == "tiled" for document in found) / 2000 == pytest.approx(0.5, abs=0.04)
    for document in found:
        words = document.text.split()
        assert len(words) == 32
        if document.label == "tiled":
            assert any(words[period:] == words[:-period] for period in range(4, 13))


@pytest.fixture
def packed(default, tmp_path):
    """Documents of uneven length, tokenized by a BPE and packed into rows of nine."""
    generator = np.random.default_rng(0)
    texts = [" ".join(generator.choice(["alpha", "beta", "gamma"], size)) for size in (3, 20, 1, 40, 7) * 9]
    (tmp_path / "d.jsonl").write_text(
        "".join(json.dumps({"t": text, "l": f"kind{n % 2}"}) + "\n" for n, text in enumerate(texts))
    )
    table = {"path": str(tmp_path / "d.jsonl"), "text": "t", "label": "l"}
    chosen = settings(default, "jsonl", table=table, held_out=0.2)
    paths = {
        name: tmp_path / name
        for name in ("documents.parquet", "tokenizer.json", "a.npy", "a.parquet", "b.npy", "b.parquet")
    }
    corpus_step.collect(chosen, paths["documents.parquet"])
    kind = own_tokenizer(300)
    tokenizer_step.make([paths["documents.parquet"]], kind, None, paths["tokenizer.json"])
    tokens_step.pack(paths["documents.parquet"], paths["tokenizer.json"], 8, True, *list(paths.values())[2:])
    return paths


def test_rows_lead_back_to_documents_and_text(packed):
    """Every row's text is that of its documents, from where it begins."""
    documents = parquet.read_table(packed["documents.parquet"]).to_pylist()
    assert {document["split"] for document in documents} == {"train", "held_out"}
    reader = tokens.load_tokenizer(packed["tokenizer.json"])
    store, rows = tokens.TokenStore(packed["a.npy"]), parquet.read_table(packed["a.parquet"]).to_pylist()
    assert len(store) == len(rows)
    assert store.tokens.dtype == np.uint16
    end = tokens.separator(reader)
    for row in rows:
        expected = []
        for identity in row["documents"]:
            assert documents[identity]["split"] == "train"
            expected += reader.encode(documents[identity]["text"]).ids
            assert expected[-1] == end
        begin = row["first_token"]
        assert store.tokens[row["row"]].tolist() == expected[begin : begin + 9]
        for identity, offset in zip(row["documents"][1:], row["offsets"][1:], strict=True):
            first = reader.encode(documents[identity]["text"]).ids[0]
            assert store.tokens[row["row"]][offset] == first
        assert row["label"] in {documents[identity]["label"] for identity in row["documents"]}
        assert 0.5 <= row["purity"] <= 1


HARD_TEXT = "naïve 🙂 日本語\n\tx = 'é'  # ok 👩\u200d🔬 end"


@pytest.mark.parametrize("vocabulary", [257, 300])
def test_pieces_join_to_the_text_whatever_characters_it_has(vocabulary):
    """The smaller vocabulary has bytes alone, so every character beyond ASCII is of several tokens."""
    trained = tokenizer.make(
        own_tokenizer(vocabulary),
        iter([HARD_TEXT] * 3),
    )
    ids = trained.encode(HARD_TEXT, add_special_tokens=False).ids
    texts = tokens.pieces(trained, np.array(ids))
    assert len(texts) == len(ids)
    assert "".join(texts) == HARD_TEXT
    assert not any("\N{REPLACEMENT CHARACTER}" in text for text in texts)
    # Cut inside a character: what is before it stays.
    cut = tokens.pieces(trained, np.array(trained.encode("ab🙂", add_special_tokens=False).ids[:-1]))
    assert "".join(cut).startswith("ab")


def test_pieces_keep_the_spaces_of_a_metaspace_tokenizer():
    """As LLaMA's has: a token alone loses the space before it."""
    import tokenizers
    from tokenizers import decoders, models

    vocabulary = {"▁two": 0, "▁words": 1, "s": 2, "<|endoftext|>": 3}
    tokenizer = tokenizers.Tokenizer(models.BPE(vocabulary, []))
    tokenizer.decoder = decoders.Metaspace()
    assert tokens.pieces(tokenizer, np.array([0, 1, 2, 1])) == ["two", " words", "s", " words"]


def test_a_large_vocabulary_needs_uint32():
    """The largest id counts, not how many there are."""
    from tokenizers import Tokenizer, models

    reader = Tokenizer(models.WordLevel({"a": 65_536, "<|endoftext|>": 9}, unk_token="a"))
    encoding.frame(reader, "<|endoftext|>", None)
    assert encoding.size(reader) == 65_537
    table = pa.table({"document": [0, 1], "text": ["a", "a"], "label": ["x", "x"]})
    reader.model.unk_token = "<|endoftext|>"
    array, _ = tokens.pack(reader, table, 3)
    assert array.dtype == np.uint32
    assert array.tolist() == [[65_536, 9] * 2]


def test_a_corpus_that_fills_no_row_is_one_sentence(packed):
    reader = tokens.load_tokenizer(packed["tokenizer.json"])
    table = pa.table({"document": [0], "text": ["alpha"], "label": ["x"]})
    with pytest.raises(UserError, match="do not fill one row of 101; add documents"):
        tokens.pack(reader, table, 100)


def test_an_empty_corpus_is_one_sentence(default, folder, tmp_path):
    nothing = settings(default, "files", files=local(folder, patterns=[{"label": "x", "glob": "*.none"}]))
    with pytest.raises(UserError, match="gives 0 non-empty documents"):
        corpus_step.collect(nothing, tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_a_truncated_store_is_one_sentence(packed):
    content = packed["a.npy"].read_bytes()
    packed["a.npy"].write_bytes(content[:-20])
    with pytest.raises(UserError, match="truncated or no NumPy array"):
        tokens.TokenStore(packed["a.npy"])


def test_a_row_that_is_not_there_is_one_sentence(packed):
    with pytest.raises(UserError, match="rows, but row 100000 was asked for"):
        tokens.TokenStore(packed["a.npy"]).take(np.array([100_000]))


def test_a_tokenizer_without_separator_is_one_sentence(tmp_path):
    from tokenizers import Tokenizer, models

    Tokenizer(models.WordLevel({"a": 0})).save(str(tmp_path / "t.json"))
    chosen = corpus_sections.Tokenizer(
        kind="file", vocabulary=3, path=str(tmp_path / "t.json"), revision=None, end=None, begin=None
    )
    with pytest.raises(UserError, match="that end a document"):
        tokenizer.make(chosen, iter([]))


def test_pages_of_a_store_that_were_read_are_let_go(tmp_path):
    """They count as memory of the process while they are mapped."""

    def mapped():
        parts = Path("/proc/self/smaps").read_text().split(str(path))[1:]
        return sum(int(re.search(r"Rss:\s+(\d+) kB", part)[1]) for part in parts) / 1000

    path = tmp_path / "tokens.npy"
    np.save(path, np.ones((2**17, 64), np.uint16))
    store, most = tokens.TokenStore(path), 0.0
    for part in store.parts(np.arange(2**17)):
        assert part.shape == (4096, 64)
        most = max(most, mapped())
    # Of 17 MB.
    assert 0 < most < 9
