"""The example prompts of experiments/probes, with their tokenizer and a small model."""

import json
import runpy

import pytest
import torch
from project import ROOT
from transformers import AutoConfig, AutoModelForCausalLM

from mda.attribution import questions
from mda.config import corpus_sections, unit_sections
from mda.corpus import encoding, prompts, tokenizer

FOLDER = ROOT / "experiments" / "probes"
MAKE = runpy.run_path(str(FOLDER / "make.py"))
CONTEXT = 48


@pytest.fixture(scope="module")
def reader():
    settings = corpus_sections.Tokenizer(
        kind="file", vocabulary=64, path=str(FOLDER / "tokenizer.json"), revision=None, end=None, begin=None
    )
    return tokenizer.make(settings, iter(()), None)


@pytest.fixture(scope="module")
def model(reader):
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    configured = AutoConfig.for_model(
        "llama",
        vocab_size=encoding.size(reader),
        max_position_embeddings=CONTEXT,
        initializer_range=0.3,
        **sizes,
    )
    return AutoModelForCausalLM.from_config(configured).eval()


def shares_of(model, reader, prompt, text):
    """Log-probability of a text after a prompt, token by token."""
    total = 0.0
    seen = reader.encode(prompt, add_special_tokens=False).ids
    for token in reader.encode(text, add_special_tokens=False).ids:
        total += model(torch.tensor([seen])).logits[0, -1].log_softmax(0)[token].item()
        seen = [*seen, token]
    return total


@pytest.mark.parametrize(("name", "made"), [("ioi", "ioi"), ("greater-than", "greater_than")])
def test_the_files_are_what_their_script_writes(name, made):
    lines = [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text().splitlines()]
    assert lines == MAKE[made]()


def test_a_name_is_one_token_and_a_year_of_two_digits_two(reader):
    asked = prompts.encode_prompts(reader, prompts.read_prompts(FOLDER / "ioi.jsonl"), CONTEXT)
    assert {len(side[0].predicted) for each in asked for side in each} == {1}
    asked = prompts.encode_prompts(reader, prompts.read_prompts(FOLDER / "greater-than.jsonl"), CONTEXT)
    assert {len(one.predicted) for each in asked for side in each for one in side} == {2}
    assert all(len(each.answers) + len(each.foils) == 100 for each in asked)


@pytest.mark.parametrize(("name", "every"), [("ioi", 1), ("greater-than", 5)])
def test_the_examples_are_asked_as_they_say(name, every, model, reader, tmp_path):
    """Against each text alone, token by token; a hundred years take long, so of some lines."""
    lines = (FOLDER / f"{name}.jsonl").read_text().splitlines()[::every]
    (tmp_path / "some.jsonl").write_text("\n".join(lines))
    settings = unit_sections.Probe(measure="prompts", path=str(tmp_path / "some.jsonl"))
    question = questions.of_probe(settings, reader, CONTEXT, torch.device("cpu"))
    value = question.probe(model, question.tokens, [])
    total = 0.0
    with torch.no_grad():
        for line in map(json.loads, lines):
            sides = []
            for key in ("answer", "foil"):
                texts = line[key] if isinstance(line[key], list) else [line[key]]
                each = [shares_of(model, reader, line["prompt"], text) for text in texts]
                sides.append(torch.tensor(each).logsumexp(0).item())
            total += sides[0] - sides[1]
    assert value.item() == pytest.approx(total / len(lines), rel=1e-3, abs=1e-4)
    gradient = torch.autograd.grad(value, model.model.layers[0].mlp.down_proj.weight)[0]
    assert gradient.abs().max() > 0
