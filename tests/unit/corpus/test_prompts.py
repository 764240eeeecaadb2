"""Files of prompts and texts: what they may hold, and every mistake as one sentence with its line."""

import gzip
import json
import re

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from mda.corpus import encoding, prompts
from mda.runtime.errors import UserError


def words():
    tokenizer = Tokenizer(
        models.WordLevel({"<unk>": 0, "</s>": 1, "a": 2, "b": 3, "c": 4}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    encoding.frame(tokenizer, "</s>", None)
    return tokenizer


def bytes_of():
    """A byte-level BPE that knows some words with the space before them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([" Mary gave John gave Mary 17 19 11"] * 20, trainer)
    encoding.frame(tokenizer, "</s>", "<s>")
    return tokenizer


def file_of(folder, *lines, name="mine.jsonl"):
    path = folder / name
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return path


def test_an_answer_of_several_tokens_counts_each(tmp_path):
    path = file_of(tmp_path, {"prompt": "John gave", "answer": " Mary", "foil": [" John", " 17"]}, "")
    reader = bytes_of()
    (asked,) = prompts.encode_prompts(reader, prompts.read_prompts(path), 20)
    (answer,) = asked.answers
    begin = reader.encode("John gave", add_special_tokens=False).ids
    whole = reader.encode("John gave Mary", add_special_tokens=False).ids
    assert [*answer.tokens.tolist(), answer.predicted[-1]] == [reader.token_to_id("<s>"), *whole]
    assert answer.predicted.tolist() == whole[len(begin) :]
    assert answer.positions.tolist() == list(range(len(begin), len(whole)))
    assert len(asked.foils) == 2


def test_a_file_may_be_compressed_and_have_blank_lines(tmp_path):
    path = tmp_path / "p.jsonl.gz"
    with gzip.open(path, "wt") as stream:
        stream.write('\n{"prompt": "a", "answer": "b"}\n\n')
    assert prompts.is_prompts(path)
    assert prompts.read_prompts(path)[0].answers == ("b",)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["{"], "line 1 is not JSON"),
        (["[1]"], "line 1 is no JSON object"),
        ([{"answer": "b"}], "line 1 has no text under 'prompt'"),
        ([{"prompt": "a"}], "line 1 has no text under 'answer'"),
        ([{"prompt": "a", "answer": ""}], "line 1 has no text under 'answer'"),
        ([{"prompt": "a", "answer": []}], "line 1 has no text under 'answer'"),
        ([{"prompt": "a", "answer": ["b", 3]}], "line 1 has no text under 'answer'"),
        ([{"prompt": "a", "answer": ["b", "b"]}], "line 1 has the same answer twice"),
        (
            [{"prompt": "a", "answer": ["b", "c"], "foil": ["d", "c"]}],
            "line 1 has 'c' as answer and as foil; take",
        ),
        (
            ['{"prompt": "a \\ud800", "answer": "b"}'],
            "line 1 has half of a character, \\ud800; write all of it",
        ),
        (
            [{"prompt": "a", "answer": "b", "foul": "c"}],
            "line 1 has the key 'foul'; write prompt, answer, foil",
        ),
        (
            [{"prompt": "a", "answer": "b", "foil": "c"}, {"prompt": "a", "answer": "b"}],
            "line 2 has no foil, other than those before",
        ),
        ([""], "has no prompt"),
    ],
)
def test_a_wrong_file_of_prompts_is_one_sentence(tmp_path, lines, sentence):
    path = file_of(tmp_path, *lines)
    with pytest.raises(UserError, match=re.escape(str(path)) + ".*" + re.escape(sentence)):
        prompts.read_prompts(path)


@pytest.mark.parametrize(
    ("line", "reader", "sentence"),
    [
        ({"prompt": "a b", "answer": "c"}, words, "makes one token with the end of the prompt"),
        ({"prompt": "a b", "answer": " x"}, words, "answer ' x' has what the tokenizer does not know"),
        ({"prompt": "a x", "answer": " b"}, words, "prompt has what the tokenizer does not know"),
        ({"prompt": "a a a a a", "answer": " b b"}, words, "have 7 tokens, of which the model must read 6"),
        ({"prompt": "John gave ", "answer": "Mary"}, bytes_of, "makes one token with the end of the prompt"),
    ],
)
def test_a_prompt_that_the_model_cannot_be_asked_is_one_sentence(tmp_path, line, reader, sentence):
    found = prompts.read_prompts(file_of(tmp_path, line))
    with pytest.raises(UserError, match="line 1: .*" + re.escape(sentence)):
        prompts.encode_prompts(reader(), found, 5)


def test_texts_of_both_kinds(tmp_path):
    path = file_of(tmp_path, {"text": "a b"}, {"text": "c"})
    assert [text.text for text in prompts.read_texts(path)] == ["a b", "c"]
    plain = file_of(tmp_path, "a b", "c a", name="mine.txt")
    assert [text.text for text in prompts.read_texts(plain)] == ["a b\nc a\n"]
    assert not prompts.is_prompts(path)
    assert not prompts.is_prompts(plain)


def test_long_texts_are_cut_and_every_token_but_the_first_is_predicted_once():
    text = " ".join("abcacb"[number % 6] for number in range(23))
    pieces = prompts.encode_texts(words(), [prompts.Text("x", text)], 5, repeated=False)
    assert max(len(piece.tokens) for piece in pieces) == 6
    joined = [piece.tokens[position] for piece in pieces for position in piece.counted]
    assert joined == words().encode(text, add_special_tokens=False).ids[1:]


@pytest.mark.parametrize(
    ("lines", "repeated", "sentence"),
    [
        ([{"text": " "}], False, "line 1 has no text under 'text'"),
        ([{"texts": "a"}], False, "line 1 has no text under 'text'"),
        ([""], False, "has no text; write one"),
        ([{"text": "a"}], False, "has fewer than two tokens"),
        ([{"text": "a b c a c"}], True, "has no pair of tokens that comes twice"),
        ([{"text": "a x"}], False, "has what the tokenizer does not know"),
    ],
)
def test_wrong_texts_are_one_sentence(tmp_path, lines, repeated, sentence):
    with pytest.raises(UserError, match=re.escape(sentence)):
        prompts.encode_texts(words(), prompts.read_texts(file_of(tmp_path, *lines)), 20, repeated)


def test_a_text_that_is_not_utf8_is_one_sentence(tmp_path):
    (tmp_path / "x.txt").write_bytes(b"\xff\x00")
    with pytest.raises(UserError, match="cannot be read as UTF-8"):
        prompts.read_texts(tmp_path / "x.txt")
