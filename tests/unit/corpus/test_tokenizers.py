"""Tokenizers as users have them: what they carry is switched off, and text is only ever text."""

import json
import logging

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

from mda.config import consistency, corpus_sections
from mda.corpus import encoding, tokenizer, tokens
from mda.interventions import motifs
from mda.models import sequences
from mda.planning import plan
from mda.runtime import files
from mda.runtime.errors import UserError
from mda.steps.interventions import synthesize

END = "<|endoftext|>"
WORDS = {END: 0, "<unk>": 1, "a": 2, "b": 3, "c": 4}


def wanted(**changes):
    keys = {"kind": "file", "vocabulary": 300, "path": None, "revision": None, "end": None, "begin": None}
    return corpus_sections.Tokenizer.model_validate({**keys, **changes})


def made(folder, original=None, *, texts=(), **changes):
    """What the step makes of a tokenizer, read as the other steps read it."""
    if original is not None:
        original.save(str(folder / "original.json"))
        changes = {"path": str(folder / "original.json"), **changes}
    (folder / "tokenizer.json").write_text(tokenizer.make(wanted(**changes), iter(texts)).to_str())
    return tokens.load_tokenizer(folder / "tokenizer.json")


def table(*texts):
    return pa.table({"document": range(len(texts)), "text": list(texts), "label": ["x"] * len(texts)})


def ids_of(reader, *texts):
    return [ids.tolist() for ids in encoding.Encoder(reader).encode(list(texts))]


def of_words(vocabulary=None, special=(END,)):
    found = Tokenizer(models.WordLevel(vocabulary or WORDS, unk_token="<unk>"))
    found.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    found.add_special_tokens(list(special))
    return found


def of_bytes(**options):
    """Every byte, and the end token as an entry that a text could match where merges are ignored."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    found = Tokenizer(models.BPE({name: key for key, name in enumerate([*alphabet, END])}, [], **options))
    found.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    found.decoder = decoders.ByteLevel()
    found.add_special_tokens([END])
    return found


def of_pieces():
    """As SentencePiece models are converted: control pieces have the best of all scores."""
    pieces = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), ("▁", -2.0)]
    pieces += [(letter, -5.0) for letter in "abcs<>/"]
    found = Tokenizer(models.Unigram(pieces, 0, False))
    found.pre_tokenizer = pre_tokenizers.Metaspace()
    found.decoder = decoders.Metaspace()
    found.add_special_tokens(["<unk>", "<s>", "</s>"])
    return found


def test_saved_truncation_padding_and_template_change_nothing(tmp_path, caplog):
    """Transformers writes truncation and padding into the file after a call that asked for them."""
    original = of_words()
    original.enable_truncation(3)
    original.enable_padding(length=40, pad_id=4, pad_token="c")
    original.post_processor = processors.TemplateProcessing(
        single=["b", "$A", "b"], special_tokens=[("b", 3)]
    )
    with caplog.at_level(logging.INFO):
        reader = made(tmp_path, original)
    stream, rows = tokens.pack(reader, table("a b " * 20, "c"), 5)
    assert stream.ravel().tolist() == ([2, 3] * 20 + [0] + [4, 0])[:42]
    assert json.loads(rows.schema.metadata[b"text"]) == {
        "tokens": 43,
        "unknown": 0,
        "left_out": 1,
        "with_special_words": 0,
        "documents": 2,
    }
    off = "truncation to 3 tokens, padding with c, the tokens that it puts around a text (TemplateProcessing)"
    assert off in caplog.text
    assert f"begins with no token and ends with {END}" in caplog.text


def test_merges_that_are_dropped_at_random_are_not_dropped(tmp_path, caplog):
    original = Tokenizer(models.BPE({END: 0, "a": 1, "aa": 2}, [("a", "a")], dropout=0.5))
    with caplog.at_level(logging.INFO):
        reader = made(tmp_path, original)
    assert ids_of(reader, *["aaaa"] * 50) == [[2, 2, 0]] * 50
    assert "dropout of merges (0.5)" in caplog.text


@pytest.mark.parametrize(
    ("original", "text"),
    [
        (of_words(), f"a {END} b{END} c"),
        (of_words(special=()), f"a {END} b"),
        (of_bytes(), f"a {END}{END} b"),
        # The whole text is one word of the vocabulary.
        (of_bytes(ignore_merges=True), END),
        (of_pieces(), "a </s> <s>b"),
    ],
    ids=["words", "words, not marked special", "bytes", "bytes, whole words first", "pieces"],
)
def test_words_of_a_special_token_in_a_text_are_text(tmp_path, original, text, caplog):
    reader = made(tmp_path, original)
    with caplog.at_level(logging.INFO):
        stream, _ = tokens.pack(reader, table(text, "a " * 90, text), 4)
    ids = [token for document in ids_of(reader, text, "a " * 90, text) for token in document]
    special = encoding.special(reader)
    assert [special[token] for token in ids if token in special and token != encoding.unknown(reader)] == [
        *[special[tokens.separator(reader)]] * 3
    ]
    assert stream.ravel().tolist() == ids[: stream.size]
    assert "2 documents have words of a special token, kept as text" in caplog.text
    if type(original.model).__name__ != "WordLevel":
        assert reader.decode(ids_of(reader, text)[0], skip_special_tokens=True) == text


def test_in_words_they_are_the_unknown_word(tmp_path):
    assert ids_of(made(tmp_path, of_words()), f"a {END} b") == [[2, 1, 3, 0]]


def test_added_tokens_that_are_not_special_are_vocabulary(tmp_path):
    """GPT-NeoX has runs of spaces as such."""
    original = of_bytes()
    original.add_tokens([AddedToken("    ", normalized=False)])
    reader = made(tmp_path, original)
    run = original.token_to_id("    ")
    assert ids_of(reader, "a    b")[0].count(run) == 1
    assert run in sequences.ordinary_tokens(reader)


def test_the_largest_id_counts_where_ids_have_gaps(tmp_path):
    reader = made(tmp_path, of_words({**WORDS, "far": 70_000}))
    assert (reader.get_vocab_size(), encoding.size(reader)) == (6, 70_001)
    stream, _ = tokens.pack(reader, table("far " * 9), 4)
    assert stream.dtype == np.uint32
    assert stream[0].tolist() == [70_000] * 5


def test_end_and_begin_tokens_of_other_names(tmp_path):
    reader = made(tmp_path, of_words({**WORDS, "<bos>": 5, "<eot>": 6}), end="<eot>", begin="<bos>")
    assert encoding.ends(reader) == encoding.Ends(5, 6)
    assert ids_of(reader, "a b", "<eot> <bos> c") == [[5, 2, 3, 6], [5, 1, 1, 4, 6]]
    # The file says it to others, too.
    assert Tokenizer.from_file(str(tmp_path / "tokenizer.json")).encode("a").ids == [5, 2, 6]
    stream, rows = tokens.pack(reader, table("a b", "c"), 4)
    assert stream.tolist() == [[5, 2, 3, 6, 5]]
    assert rows.column("offsets").to_pylist() == [[0, 4]]
    assert sequences.ordinary_tokens(reader).tolist() == [2, 3, 4]


@pytest.mark.parametrize("kind", ["word", "bpe"])
def test_a_trained_tokenizer_takes_the_names_too(tmp_path, kind):
    reader = made(tmp_path, texts=["a b", "<bos> a"], kind=kind, end="<eot>", begin="<bos>")
    begin, end = encoding.ends(reader)
    assert (reader.id_to_token(begin), reader.id_to_token(end)) == ("<bos>", "<eot>")
    [ids] = ids_of(reader, "a <bos> b <eot>")
    assert ids.count(begin) == ids.count(end) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"end": "<|im_end|>"},
            r"end: the tokenizer has no token '<\|im_end\|>'; .*, such as .*<\|en",
        ),
        ({"begin": "<bos>"}, r"begin: the tokenizer has no token '<bos>'; name one that it has, such as"),
        ({"begin": END}, r"begin is '<\|endoftext\|>', which ends a document already; set begin to null"),
    ],
)
def test_a_token_that_cannot_be_used_is_one_sentence(tmp_path, changes, words):
    with pytest.raises(UserError, match=words):
        made(tmp_path, of_words(), **changes)


def test_ordinary_tokens_are_never_special(tmp_path):
    """Neither what the file marks, nor the end token where it does not, nor the unknown token."""
    reader = made(tmp_path, of_words({**WORDS, "<pad>": 5}, special=["<pad>"]))
    assert sequences.ordinary_tokens(reader).tolist() == [2, 3, 4]


def test_a_vocabulary_that_loses_characters_is_told(tmp_path):
    """A BPE without an unknown token leaves out, without a sign, what it does not know."""
    reader = made(tmp_path, Tokenizer(models.BPE({END: 0, "a": 1}, [])))
    assert ids_of(reader, "aa") == [[1, 1, 0]]
    with pytest.raises(UserError, match="the text has what it does not know, for which it has only '<"):
        ids_of(reader, "aca")
    # One that has all bytes loses nothing.
    assert encoding.unknown(made(tmp_path, of_bytes())) is None


def test_an_unknown_word_that_would_be_a_separator_is_told(tmp_path):
    original = of_words()
    original.model.unk_token = END
    reader = made(tmp_path, original)
    assert ids_of(reader, "a b") == [[2, 3, 0]]
    with pytest.raises(UserError, match="which ends or begins a document; name a tokenizer that knows"):
        ids_of(reader, "a nothing")


def test_a_tokenizer_that_cannot_read_the_text_is_one_sentence(tmp_path):
    original = Tokenizer(models.WordLevel({END: 0, "a": 1}))
    with pytest.raises(UserError, match=r"cannot read the text \(.*UNK.*\); name a tokenizer with"):
        ids_of(made(tmp_path, original), "b")


def test_unknown_tokens_are_counted_and_bounded(tmp_path, caplog):
    reader = made(tmp_path, of_words())
    with caplog.at_level(logging.INFO):
        _, rows = tokens.pack(reader, table("a b c " * 8 + "new"), 4, "the train text")
    assert json.loads(rows.schema.metadata[b"text"])["unknown"] == 1
    assert (
        "the train text: 1 documents, 26 tokens, of which 1 are unknown (3.85 %); the last 1" in caplog.text
    )
    with pytest.raises(UserError, match=r"10 % of the text is not in the vocabulary of 5 tokens"):
        tokens.pack(reader, table("a b c " * 6 + "very new"), 4)


def test_the_plan_tells_of_a_vocabulary_that_is_too_small(default, tmp_path):
    """The default's tokenizer belongs to the default's corpus."""
    lines = [{"text": " ".join(f"w{number * 7 + word}" for word in range(30))} for number in range(50)]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, lines)))
    default["corpus"]["source"] = "jsonl"
    default["corpus"]["table"] = {"path": str(tmp_path / "mine.jsonl"), "text": "text", "label": None}
    save_file({"a.weight": np.zeros(1, np.float32)}, tmp_path / "model.safetensors")
    [sentence] = plan.warnings(consistency.check(default))
    assert "is a word tokenizer with a vocabulary of 64, to which at least 7" in sentence
    assert "set kind to bpe" in sentence
    default["tokens"]["tokenizer"] |= {"kind": "bpe", "vocabulary": 300}
    assert plan.warnings(consistency.check(default)) == []


def test_a_folder_with_a_tokenizer_json(tmp_path):
    (tmp_path / "model").mkdir()
    of_words().save(str(tmp_path / "model" / "tokenizer.json"))
    (tmp_path / "model" / "model.safetensors").write_bytes(b"weights")
    assert wanted(path=str(tmp_path / "model")).files == [tmp_path / "model" / "tokenizer.json"]
    assert ids_of(made(tmp_path, path=str(tmp_path / "model")), "a b") == [[2, 3, 0]]


@pytest.fixture
def transformers_folder(tmp_path):
    """As GPT-2's tokenizer was saved before tokenizer.json, with code that must not run."""
    folder = tmp_path / "gpt2"
    folder.mkdir()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {name: key for key, name in enumerate([*alphabet, "he", END])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\nh e\n")
    settings = {"tokenizer_class": "GPT2Tokenizer", "model_max_length": 4, "eos_token": END}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "pytorch_model.bin").write_bytes(b"no pickle")
    return folder


def test_a_folder_of_transformers_without_one(tmp_path, transformers_folder):
    reader = made(tmp_path, path=str(transformers_folder))
    end = tokens.separator(reader)
    assert reader.id_to_token(end) == END
    [ids] = ids_of(reader, "hello there")
    assert [reader.id_to_token(token) for token in ids] == [
        *["he", "l", "l", "o", "Ġ", "t", "he", "r", "e"],
        END,
    ]


def test_code_of_a_tokenizer_is_not_run(tmp_path, transformers_folder):
    settings = {"auto_map": {"AutoTokenizer": ["mine.Mine", None]}, "tokenizer_class": "Mine"}
    (transformers_folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (transformers_folder / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(UserError, match=r"gpt2 cannot be loaded as a tokenizer \(.*; name a tokenizer\.json"):
        made(tmp_path, path=str(transformers_folder))
    assert not (tmp_path / "ran").exists()


@pytest.fixture(params=["bpe", "unigram"])
def sentencepiece_file(tmp_path, request):
    import sentencepiece

    generator = np.random.default_rng(0)
    words = ["alpha", "beta", "gamma", "delta", "épsilon", "zeta's"]
    lines = [" ".join(generator.choice(words, 12)) for _ in range(300)]
    (tmp_path / "model").mkdir()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_prefix=str(tmp_path / "model" / "tokenizer"),
        vocab_size=60,
        model_type=request.param,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    return tmp_path / "model" / "tokenizer.model"


@pytest.mark.parametrize("place", ["file", "folder"])
def test_a_sentencepiece_model_gives_its_own_ids(tmp_path, sentencepiece_file, place):
    import sentencepiece

    sentencepiece_file.with_suffix(".vocab").unlink()
    path = sentencepiece_file if place == "file" else sentencepiece_file.parent
    reader = made(tmp_path, path=str(path), begin="<s>", texts=["alpha beta"])
    original = sentencepiece.SentencePieceProcessor(model_file=str(sentencepiece_file))
    texts = ["alpha beta", "  zeta's  épsilon\ngamma", "beta </s> delta", "日 alpha日日", ""]
    # The name of the unknown token is text too.
    texts += ["beta <unk> delta", "<unk>", "beta<unk>日<unk> delta"]
    expected = [[1, *original.encode(text), 2] for text in texts]
    assert ids_of(reader, *texts) == expected
    assert reader.decode(expected[0]) == "alpha beta"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.json", b'{"version": "1.0"}', r"t\.json cannot be loaded as a tokenizer \("),
        ("t.json", b"version https://git-lfs.github.com/spec/v1\n", r"t\.json is a pointer of Git LFS"),
        ("t.model", b"no model", r"t\.model is neither a tokenizer\.json nor a SentencePiece model"),
        # As Llama 3's original.
        ("tokenizer.model", b"IQ== 0\nIg== 1\n", r"is neither a tokenizer\.json nor a SentencePiece model"),
    ],
)
def test_a_file_that_is_no_tokenizer_is_one_sentence(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=words):
        made(tmp_path, path=str(tmp_path / name))


def test_a_place_without_a_tokenizer_is_told_by_the_plan(override, tmp_path):
    for path, words in (
        (tmp_path / "no", f"path is {tmp_path / 'no'}, which does not exist"),
        (tmp_path, "which has no file of a tokenizer in it"),
    ):
        changed = override("tokens.tokenizer.path", str(path))
        changed["tokens"]["tokenizer"]["kind"] = "file"
        with pytest.raises(UserError, match=words):
            consistency.check(changed)


def test_a_checkpoints_folder_without_a_tokenizer_is_told_by_the_plan(override, tmp_path):
    for name in (
        "config.json",
        "generation_config.json",
        "model.safetensors.index.json",
        "tokenizer_config.json",
    ):
        (tmp_path / name).write_text("{}")
    wrong = {
        "kind": "file",
        "vocabulary": 64,
        "path": str(tmp_path),
        "revision": None,
        "end": None,
        "begin": None,
    }
    with pytest.raises(UserError, match=r"which has no file of a tokenizer in it"):
        consistency.check(override("tokens.tokenizer", wrong))


def test_motifs_keep_what_begins_a_document(tmp_path):
    ends = encoding.Ends(begin=8, end=9)
    sample = np.array([8, 1, 2, 1, 2, 9, 8, 3, 4])
    [motif] = motifs.extract(sample[None], ends, shortest=2)
    assert motif.pattern == (-3, 0, 1, 0, 1, -2, -3, -1, -1)
    assert motif.layout() == "^ A(2) A | ^ _2"
    frequencies = np.array([0, 1, 1, 1, 1, 1, 1, 1, 0, 0])
    made_up, _ = motifs.generate([motif], 20, frequencies, ends, seed=0)
    assert (made_up[:, [0, 6]] == 8).all()
    assert (made_up[:, 5] == 9).all()


def test_motifs_with_a_begin_token_do_not_fit_a_tokenizer_without(tmp_path):
    made(tmp_path, of_words())
    files.write_array(tmp_path / "train.npy", np.full((4, 5), 2, np.uint16))
    (tmp_path / "top.json").write_text('{"samples": 1, "motifs": [{"pattern": "-3 0 1 0 1", "samples": 1}]}')
    paths = [tmp_path / name for name in ("top.json", "train.npy", "tokenizer.json")]
    with pytest.raises(UserError, match=r"tokens that begin a document, but here is none; .*\.begin"):
        synthesize.synthesize(*paths, 0, None, tmp_path / "out.npy", tmp_path / "out.parquet")


def test_a_model_wants_its_own_tokenizer(default, tmp_path):
    default["model"] |= {"checkpoint": "owner/name", "revision": "main"}
    with pytest.raises(UserError, match=r"kind is 'word', but the model owner/name knows .* to owner/name"):
        consistency.check(default)
    # One from a folder may be of an earlier run on the same corpus.
    default["model"] |= {"checkpoint": str(tmp_path), "revision": None}
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "gpt_neox", **default["model"]["settings"]})
    )
    save_file({"a.weight": np.zeros(1, np.float32)}, tmp_path / "model.safetensors")
    [sentence] = plan.warnings(consistency.check(default))
    assert "the model knows its tokens only if it was trained on this very corpus" in sentence
