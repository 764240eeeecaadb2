"""Prompts and encoders are looked into before any job; with the tokenizer, where it is here."""

import json

import pytest
import torch
from project import ROOT
from safetensors.torch import save_file

from mda.attribution import checks
from mda.config import consistency
from mda.corpus import encoding, tokens
from mda.planning import plan, probe_texts
from mda.runtime.errors import UserError

TOKENIZER = str(ROOT / "experiments" / "probes" / "tokenizer.json")
TARGET = {"name": "asked", "units": ["L0.mlp"], "probe": "mine", "mode": "in-out", "metric": "probe"}


@pytest.fixture
def asked(default, tmp_path, monkeypatch):
    """A configuration with a probe of these settings and a file of these lines."""
    monkeypatch.chdir(tmp_path)

    def make(lines, tokenizer=False, target=None, **probe):
        (tmp_path / "p.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        default["probes"]["mine"] = {"measure": "prompts", "path": "p.jsonl", **probe}
        default["targets"] = [{**TARGET, **(target or {})}]
        if tokenizer:
            default["tokens"]["tokenizer"] |= {"kind": "file", "path": TOKENIZER}
        return consistency.check(default)

    return make


GOOD = {"prompt": "Anna gave the key to", "answer": " Bruno"}


def test_good_prompts_pass(asked):
    assert probe_texts.check(asked([GOOD], tokenizer=True)) == []
    texts = asked([{"text": "Anna and Anna and Anna"}], measure="rows", positions="repeated")
    assert probe_texts.check(texts) == []


def test_it_is_said_how_an_answer_of_several_tokens_is_counted(asked):
    long = {"prompt": "Anna gave the key to", "answer": [" Bruno and Anna", " Bruno"]}
    # Without the tokenizer nothing is known of tokens.
    assert probe_texts.check(asked([long, GOOD])) == []
    assert probe_texts.check(asked([long, GOOD], tokenizer=True)) == [
        "probes.mine: 1 of 3 answers and foils have several tokens (at most 3); the log-probability of one "
        "is the sum over its tokens, each given the prompt and the tokens before it"
    ]


@pytest.mark.parametrize(("vocabulary", "longest"), [(None, None), (-1, None), (None, 31)])
def test_a_traced_model_fits_its_tokenizer_and_rows(default, tmp_path, vocabulary, longest):
    size = encoding.size(tokens.load_tokenizer(TOKENIZER))
    settings = {"model_type": "llama", "vocab_size": size + (vocabulary or 0)}
    settings["max_position_embeddings"] = 32
    (tmp_path / "config.json").write_text(json.dumps(settings))
    save_file({"a.weight": torch.zeros(1)}, tmp_path / "model.safetensors")
    default["trace"] = {"checkpoints": {"final": {"model": str(tmp_path)}}}
    default["tokens"]["tokenizer"] |= {"kind": "file", "path": TOKENIZER}
    config = consistency.check(default)
    if longest is not None:
        settings["max_position_embeddings"] = longest
        (tmp_path / "config.json").write_text(json.dumps(settings))
    elif vocabulary is None:
        assert probe_texts.check(config) == []
        return
    words = (
        f"the model has a vocabulary of {size - 1}, but the tokenizer has {size} tokens"
        if longest is None
        else "the model reads at most 31 tokens, but tokens.context is 32"
    )
    with pytest.raises(UserError, match=rf"trace\.checkpoints: .*: {words}"):
        probe_texts.check(config)


@pytest.mark.parametrize(
    ("lines", "tokenizer", "probe", "words"),
    [
        (
            [GOOD, {"prompt": "Anna"}],
            False,
            {},
            r"probes\.mine\.path: p\.jsonl: line 2 has no text under 'answer'",
        ),
        (
            [{**GOOD, "prompt": "Anna " * 60}],
            True,
            {},
            r"line 1: .* but tokens\.context is 32; shorten the prompt",
        ),
        ([{"prompt": "Anna ", "answer": "Bruno"}], True, {}, r"line 1: .* makes one token"),
        ([GOOD], False, {"measure": "rows", "positions": "all"}, "line 1 has no text under 'text'"),
        ([{"text": "a"}], True, {"measure": "rows", "positions": "all"}, "has fewer than two tokens"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_the_plan(asked, lines, tokenizer, probe, words):
    with pytest.raises(UserError, match=words):
        probe_texts.check(asked(lines, tokenizer, **probe))


def test_with_a_trained_tokenizer_it_is_refused_before_the_training(asked, tmp_path, capsys):
    """It knows the words of the corpus alone, and is made by a job."""
    config = asked([{"prompt": "ba ca", "answer": " unheard"}])
    probe_texts.check(config)
    made = tokens.load_tokenizer(TOKENIZER)
    encoding.frame(made, "<|endoftext|>", None)
    made.save(str(tmp_path / "made.json"))
    places = {"out": str(tmp_path / "checks.json"), "tokenizer": str(tmp_path / "made.json")}
    said = {**plan.asked_first(config), **places}
    text = json.dumps({key: _plain(value) for key, value in said.items()})
    assert checks.run(text) == 0
    (tmp_path / "p.jsonl").write_text(json.dumps({"prompt": "ba ", "answer": "Anna"}))
    assert checks.run(text) == 1
    assert "probes.mine.path: p.jsonl: line 1: answer 'Anna'" in capsys.readouterr().err


def _plain(value):
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def test_a_probe_that_wants_the_tokenizer_is_asked_when_there_is_one(default, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wants.py").write_text(
        "def f(model, tokens, units, tokenizer):\n"
        "    return model(tokens).logits[..., tokenizer.token_to_id('a')].mean()\n"
    )
    default["probes"]["mine"] = {**default["probes"]["induction"], "measure": "wants.py:f"}
    default["targets"] = [TARGET]
    config = consistency.check(default)
    made = checks.configuration(config.model, 32, config.targets)
    assert checks.ask(made, 32, config.targets, config.probes) == {}
    reader = tokens.load_tokenizer(TOKENIZER)
    found = checks.ask(made, 32, config.targets, config.probes, tokenizer=reader)
    assert found.keys() == {"asked"}


def test_ranks_are_not_known_while_the_base_run_trains(asked):
    ranked = {"units": ["induction 1"], "mode": "qkvo"}
    asked([GOOD], target=ranked)
    with pytest.raises(UserError, match="ranks and classes are not known while the base run trains"):
        asked([GOOD], target={**ranked, "probe": "previous-token"})


@pytest.mark.parametrize(
    ("width", "place", "words"),
    [
        (32, "L0.mlp", r"probes\.mine\.encoder reads 32 numbers a token, but the model has 64"),
        (64, "L2.mlp", r"probes\.mine\.place is L2\.mlp, but the model has layers 0 to 1"),
    ],
)
def test_an_encoder_of_another_model_is_refused(asked, tmp_path, width, place, words):
    save_file({"W_enc": torch.zeros(width, 5), "b_enc": torch.zeros(5)}, tmp_path / "sae.safetensors")
    keys = {"measure": "feature", "encoder": "sae.safetensors", "feature": 1, "place": place}
    with pytest.raises(UserError, match=words):
        asked([{"text": "a b"}], **keys)
