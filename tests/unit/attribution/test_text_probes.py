"""Probes in text: on every architecture the numbers, and gradients, of single prompts without padding."""

import json

import numpy as np
import pytest
import torch
from independent import KINDS, STORE, expected_scores, layer_of, tiny
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

from mda.attribution import influence, outcomes, questions, text_probes
from mda.config import unit_sections
from mda.corpus import encoding, prompts
from mda.models import encoders
from mda.models.units import MLP, Attention, Head, parse_all
from mda.runtime.errors import UserError

CPU = torch.device("cpu")
PROMPTS = [
    {"prompt": "w1 w2 w3 w4", "answer": " w5", "foil": " w6"},
    {"prompt": "w7", "answer": " w8 w9 w1", "foil": " w2"},
    {"prompt": "w3 w3", "answer": [" w1", " w2 w2"], "foil": [" w4", " w5", " w6 w7"]},
]
TEXTS = ["w1 w2 w3 w1 w2 w4 w1 w2", "w5 w6 w7", " ".join(f"w{n % 7}" for n in range(1, 30))]


def reader(begin=None):
    """A tokenizer of words w1 to w17, whose begin and end tokens are ids 0 and 18."""
    words = {"<unk>": 19, "<s>": 0, "</s>": 18} | {f"w{number}": number for number in range(1, 18)}
    words |= {"w0": 17}
    del words["w17"]
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    encoding.frame(tokenizer, "</s>", begin)
    return tokenizer


def ids(text):
    return [17 if word == "w0" else int(word[1:]) for word in text.split()]


def written(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def asked(path, context=20, begin=None, **keys):
    settings = unit_sections.Probe(path=str(path), **keys)
    return questions.of_probe(settings, reader(begin), context, CPU)


def alone(model, prompt, continuation, begin=()):
    """Log-probability of a continuation by the whole model's logits, without padding or a batch."""
    tokens = torch.tensor([[*begin, *ids(prompt), *ids(continuation)]])
    each = model(tokens[:, :-1]).logits.log_softmax(-1).gather(-1, tokens[:, 1:, None])[0, :, 0]
    return each[-len(ids(continuation)) :].sum()


def of_prompts(model, lines, begin=()):
    total = 0
    for line in lines:
        for key, sign in (("answer", 1), ("foil", -1)):
            texts = line.get(key, [])
            texts = texts if isinstance(texts, list) else [texts]
            if texts:
                each = torch.stack([alone(model, line["prompt"], text, begin) for text in texts])
                total = total + sign * each.logsumexp(0)
    return total / len(lines)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("kind", KINDS)
def test_prompts_equal_single_ones_without_padding(kind, attention, tmp_path, monkeypatch):
    question = asked(written(tmp_path / "p.jsonl", PROMPTS), measure="prompts")
    model = tiny(kind, attention=attention)
    expected = of_prompts(tiny(kind), PROMPTS).item()
    assert question.probe(model, question.tokens, []).item() == pytest.approx(expected, rel=1e-4, abs=1e-5)
    # In batches of one prompt each.
    monkeypatch.setattr(text_probes, "TOGETHER", 1)
    apart = asked(tmp_path / "p.jsonl", measure="prompts")
    assert len(apart.probe.parts) == len(PROMPTS) > len(question.probe.parts)
    assert apart.probe(model, question.tokens, []).item() == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("together", [1, 2**14])
@pytest.mark.parametrize("kind", KINDS)
def test_scores_on_prompts_equal_autograd_on_single_ones(kind, together, tmp_path, monkeypatch):
    monkeypatch.setattr(text_probes, "TOGETHER", together)
    units = [Head(0, 1), Attention(1), MLP(0)]
    question = asked(written(tmp_path / "p.jsonl", PROMPTS), measure="prompts")
    assert_scores(kind, units, question, lambda model, tokens, units: of_prompts(model, PROMPTS))


def assert_scores(kind, units, question, plain):
    """Identity scores against autograd, whose probe is `plain`."""
    query = influence.Query("text", units, question.probe, question.tokens)
    tracker = influence.Tracker(tiny(kind), units, 5, [query])
    rows = influence.Rows(STORE, np.arange(len(STORE)))
    ((_, found),) = tracker.score(rows, {}, "identity", 0.1, 4)
    expected = expected_scores(kind, influence.Query("text", units, plain, question.tokens))
    scale = max(np.abs(values).max() for values in expected.values())
    assert scale > 1e-4
    for block, values in expected.items():
        np.testing.assert_allclose(found[block], values, rtol=2e-4, atol=2e-5 * scale)


def counted(text, repeated, context=20):
    """Pieces of a text as lists of ids, and the positions that count, by plain loops."""
    tokens = ids(text)
    for start in range(0, len(tokens) - 1, context):
        piece = tokens[start : start + context + 1]
        pairs = [tuple(piece[n - 1 : n + 1]) for n in range(1, len(piece))]
        yield piece, [n + 1 for n, pair in enumerate(pairs) if not repeated or pair in pairs[:n]]


def of_texts(model, texts, repeated):
    values = []
    for text in texts:
        for piece, positions in counted(text, repeated):
            each = model(torch.tensor([piece[:-1]])).logits[0].log_softmax(-1)
            values += [each[position - 1, piece[position]] for position in positions]
    return torch.stack(values).mean()


@pytest.mark.parametrize("positions", ["all", "repeated"])
@pytest.mark.parametrize("kind", KINDS)
def test_texts_equal_single_ones_without_padding(kind, positions, tmp_path):
    path = written(tmp_path / "t.jsonl", [{"text": text} for text in TEXTS])
    question = asked(path, measure="rows", positions=positions)
    repeated = positions == "repeated"
    expected = of_texts(tiny(kind), TEXTS, repeated).item()
    found = question.probe(tiny(kind), question.tokens, []).item()
    assert found == pytest.approx(expected, rel=1e-4)
    assert_scores(kind, [Head(1, 2), MLP(1)], question, lambda model, *_: of_texts(model, TEXTS, repeated))


@pytest.mark.parametrize("kind", KINDS)
def test_as_an_outcome_texts_are_differentiated_in_all_weights(kind, tmp_path, monkeypatch):
    """Those of the output layer too, against autograd on all logits."""
    monkeypatch.setattr(text_probes, "TOGETHER", 16)
    path = written(tmp_path / "t.jsonl", [{"text": text} for text in TEXTS])
    measure = outcomes.of_probe(asked(path, measure="rows", positions="repeated"), [])
    assert len(measure) > 1
    model = tiny(kind)
    outcomes.differentiate(model, measure)
    found = {name: each.grad for name, each in model.named_parameters() if each.grad is not None}
    model.zero_grad(set_to_none=True)
    value = of_texts(model, TEXTS, repeated=True)
    value.backward()
    assert outcomes.value(model, measure) == pytest.approx(value.item(), rel=1e-4)
    expected = {name: each.grad for name, each in model.named_parameters() if each.grad is not None}
    scale = max(each.abs().max() for each in expected.values())
    for name, each in expected.items():
        torch.testing.assert_close(found[name], each, rtol=1e-3, atol=1e-5 * float(scale))
    assert model.get_output_embeddings().weight.grad.abs().max() > 0.01 * scale


def test_what_repeats_is_the_second_token_of_a_pair_that_was_there():
    (piece,) = prompts.encode_texts(reader(), [prompts.Text("x", TEXTS[0])], 20, repeated=True)
    # w1 w2 w3 w1 [w2] w4 w1 [w2]
    assert piece.counted.tolist() == [4, 7]


def test_a_begin_token_stands_before_every_prompt(tmp_path):
    path = written(tmp_path / "p.jsonl", PROMPTS)
    question = asked(path, begin="<s>", measure="prompts")
    found = question.probe(tiny("llama"), question.tokens, []).item()
    assert found == pytest.approx(of_prompts(tiny("llama"), PROMPTS, begin=[0]).item(), rel=1e-4)
    assert found != pytest.approx(of_prompts(tiny("llama"), PROMPTS).item(), rel=1e-3)


WIDTH, FEATURES = 32, 6


def encoder_file(path, width=WIDTH, names="saelens", threshold=False, center=True):
    generator = torch.Generator().manual_seed(3)

    def drawn(*shape):
        return torch.randn(*shape, generator=generator)

    weight, bias = drawn(width, FEATURES), drawn(FEATURES)
    # Active on most tokens.
    bias[2] = 30
    tensors = {"W_enc": weight, "b_enc": bias, "W_dec": drawn(FEATURES, width)}
    if names == "sparsify":
        tensors = {"encoder.weight": weight.T.contiguous(), "encoder.bias": bias, "W_dec": tensors["W_dec"]}
    tensors |= {"b_dec": drawn(width)} if center else {}
    tensors |= {"threshold": torch.full((FEATURES,), 1.5)} if threshold else {}
    save_file(tensors, path)
    return weight, bias, tensors.get("b_dec")


def stands_at(model, kind, place, tokens):
    """The states of a text at a place, by a hook of this test's own, or the model's list of states."""
    layer, of = int(place[1]), place.split(".")[1]
    whole = layer_of(model, layer)
    if of == "residual":
        # Its last entry is behind the final norm.
        kept = []
        handle = whole.register_forward_hook(
            lambda module, given, output: kept.append(output[0] if isinstance(output, tuple) else output)
        )
    else:
        name = {"gpt_neox": ("attention.dense", "mlp.dense_4h_to_h"), "gpt2": ("attn.c_proj", "mlp.c_proj")}
        attention, mlp = name.get(kind, ("self_attn.o_proj", "mlp.down_proj"))
        kept = []
        handle = whole.get_submodule(attention if of == "attention" else mlp).register_forward_hook(
            lambda module, given, output: kept.append(output)
        )
    model(torch.tensor([tokens]))
    handle.remove()
    return kept[0][0]


@pytest.mark.parametrize("place", ["L0.attention", "L1.mlp", "L0.residual", "L1.residual"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_feature_equals_autograd_on_single_texts(kind, place, tmp_path):
    width = tiny(kind).config.hidden_size
    weight, bias, center = encoder_file(tmp_path / "sae.safetensors", width)
    path = written(tmp_path / "t.jsonl", [{"text": text} for text in TEXTS[:2]])
    keys = {"encoder": str(tmp_path / "sae.safetensors"), "feature": 2, "place": place, "centered": True}
    question = asked(path, measure="feature", **keys)

    def plain(model, *_):
        states = torch.cat([stands_at(model, kind, place, ids(text))[1:] for text in TEXTS[:2]])
        return torch.relu((states - center) @ weight[:, 2] + bias[2]).mean()

    found = question.probe(tiny(kind), question.tokens, []).item()
    assert found == pytest.approx(plain(tiny(kind)).item(), rel=1e-4)
    assert found > 0
    assert_scores(kind, parse_all(place), question, plain)


def test_a_feature_on_prompts_is_that_of_their_last_tokens(tmp_path):
    weight, bias, _ = encoder_file(tmp_path / "sae.safetensors", center=False)
    path = written(tmp_path / "p.jsonl", PROMPTS)
    keys = {"encoder": str(tmp_path / "sae.safetensors"), "feature": 0, "place": "L1.mlp"}
    question = asked(path, measure="feature", **keys)
    model = tiny("llama")
    last = torch.stack([stands_at(model, "llama", "L1.mlp", ids(line["prompt"]))[-1] for line in PROMPTS])
    expected = torch.relu(last @ weight[:, 0] + bias[0]).mean().item()
    assert question.probe(model, question.tokens, []).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("names", ["saelens", "sparsify"])
def test_thresholds_and_the_highest_few(names, tmp_path):
    path = tmp_path / "sae.safetensors"
    states = torch.randn(50, WIDTH, generator=torch.Generator().manual_seed(0))
    weight, bias, _ = encoder_file(path, names=names, center=False)
    pre = torch.relu(states @ weight + bias)
    for feature in range(FEATURES):
        top = encoders.Feature(path, feature, False, 2, CPU)(states)
        rank = (pre > pre[:, feature, None]).sum(dim=1)
        torch.testing.assert_close(top, torch.where(rank < 2, pre[:, feature], 0))
    encoder_file(path, names=names, center=False, threshold=True)
    found = encoders.Feature(path, 1, False, None, CPU)(states)
    torch.testing.assert_close(found, torch.where(pre[:, 1] > 1.5, pre[:, 1], 0))
    assert 0 < (found > 0).sum() < (pre[:, 1] > 0).sum()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"feature": 6}, "feature is 6, but .* has 0 to 5"),
        ({"centered": None}, "has b_dec; set centered to true if"),
        ({"place": "L1.neurons"}, "place"),
        ({"encoder": "none.safetensors"}, "encoder names the file none.safetensors, which does not exist"),
        ({"length": 3}, "measure 'feature' does not read 'length'"),
        ({"place": None}, "measure 'feature' needs 'place'"),
    ],
)
def test_a_wrong_feature_is_refused_before_anything_runs(change, words, tmp_path):
    encoder_file(tmp_path / "sae.safetensors")
    path = written(tmp_path / "p.jsonl", PROMPTS)
    keys = {"encoder": str(tmp_path / "sae.safetensors"), "feature": 2, "place": "L0.mlp", "centered": True}
    with pytest.raises(ValueError, match=words):
        unit_sections.Probe(measure="feature", path=str(path), **(keys | change))


def test_an_unknown_kind_of_encoder_is_refused(tmp_path):
    save_file({"W_gate": torch.zeros(2, 2)}, tmp_path / "gated.safetensors")
    with pytest.raises(UserError, match="has the tensor 'W_gate', which is none of"):
        encoders.Feature(tmp_path / "gated.safetensors", 0, False, None, CPU)
    (tmp_path / "no.safetensors").write_bytes(b"nothing")
    with pytest.raises(UserError, match="cannot be read as safetensors"):
        encoders.Feature(tmp_path / "no.safetensors", 0, False, None, CPU)


PROBE = """
def score(model, tokens, units, tokenizer):
    word = tokenizer.token_to_id("w3")
    return model(tokens).logits[:, -1, word].mean()
"""


def test_a_users_probe_gets_the_tokenizer_and_may_have_a_metric(tmp_path):
    path = tmp_path / "own_with_tokenizer.py"
    path.write_text(PROBE)
    keys = {"measure": f"{path}:score", "tokens": "random", "length": 4, "sequences": 2, "seed": 0}
    settings = unit_sections.Probe(**keys)
    question = questions.of_probe(settings, reader(), 20, CPU)
    model = tiny("llama")
    expected = model(question.tokens).logits[:, -1, 3].mean().item()
    assert question.probe(model, question.tokens, []).item() == pytest.approx(expected)
    target = unit_sections.Target(name="x", units=["L0.mlp"], probe="mine", mode="in-out", metric="probe")
    watch = questions.watched([target], {"mine": settings}, reader(), 20, CPU)
    assert watch["x"](model.requires_grad_(False)) == pytest.approx(expected)
    path.write_text(PROBE + "def metric(model, tokens, units, tokenizer):\n    return float(len(units))\n")
    watch = questions.watched([target], {"mine": settings}, reader(), 20, CPU)
    assert watch["x"](model) == 1.0
    path.write_text(PROBE + "def metric(model, tokens, units):\n    return 'much'\n")
    watch = questions.watched([target], {"mine": settings}, reader(), 20, CPU)
    with pytest.raises(UserError, match="target x: its metric must return a number, but returned str"):
        watch["x"](model)
    path.write_text(PROBE + "def metric(model, tokens, units):\n    return 1 / 0\n")
    watch = questions.watched([target], {"mine": settings}, reader(), 20, CPU)
    with pytest.raises(UserError, match=r"line \d+ fails with ZeroDivisionError"):
        watch["x"](model)
