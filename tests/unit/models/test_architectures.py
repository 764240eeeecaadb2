"""Every architecture: the units' blocks, their scores, their metrics, and training, independently."""

import numpy as np
import pytest
import torch
from conftest import NUMERICS, OPTIMIZER, Store
from independent import (
    HEADS,
    KINDS,
    LLAMAS,
    NEURONS,
    REPEATED,
    SIZE,
    STORE,
    TOKENS,
    WEIGHTS,
    as_rows,
    dense_ekfac,
    expected_scores,
    gradients,
    layer_of,
    loss_of,
    own,
    tiny,
)
from pydantic import ValidationError
from scipy.stats import spearmanr
from transformers import AutoConfig, AutoModelForCausalLM

from mda.attribution import curvature, influence, probes, watching
from mda.config import sections
from mda.corpus.tokens import PADDED
from mda.models import architectures, metrics
from mda.models import model as models
from mda.models.units import MLP, Attention, Head, Neuron, all_units, parse_all
from mda.runtime.errors import UserError
from mda.training import adamw, schedule, training


def rows_of(store=STORE):
    return influence.Rows(store, np.arange(len(store)))


def scored(model, units, queries, strategy="identity", precision="fp32", store=STORE):
    tracker = influence.Tracker(model, units, 5, queries, precision)
    factors = tracker.fit(rows_of(store), strategy, 4)
    return {query.target: parts for query, parts in tracker.score(rows_of(store), factors, strategy, 0.1, 4)}


def assert_agree(kind, found, queries, store=STORE):
    worst = 0.0
    for query in queries:
        expected = expected_scores(kind, query, store)
        assert set(expected) == set(found[query.target]) - {"loss"}
        scale = max(np.abs(values).max() for values in expected.values())
        assert scale > 1e-3
        for block, values in expected.items():
            wrong = np.abs(found[query.target][block] - values).max()
            worst = max(worst, wrong / scale)
            np.testing.assert_allclose(found[query.target][block], values, rtol=1e-4, atol=1e-5 * scale)
    print(f"{kind}: identity scores differ from autograd by {worst:.1e} of the largest")


def query(name, units, probe, tokens=REPEATED):
    return influence.Query(name, units, probe, tokens)


UNITS = [Head(0, 0), Head(0, 1), Head(1, 2), Head(1, 3), Neuron(0, 3), Neuron(0, 1), Neuron(1, 0)]
UNITS += [Attention(0), MLP(1)]


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("kind", KINDS)
def test_watching_changes_no_output(kind, attention):
    model = tiny(kind, attention=attention)
    before = model(TOKENS).logits
    with watching.watched(model, watching.all_blocks(watching.blocks_of(model, UNITS))):
        assert torch.equal(model(TOKENS).logits, before)
    assert torch.equal(model(TOKENS).logits, before)


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_are_the_units_own_weights(kind):
    model = tiny(kind)
    blocks = watching.blocks_of(model, UNITS)
    for unit in UNITS:

        def of(name, side, unit=unit):
            del side
            return as_rows(kind, layer_of(model, unit.layer).get_submodule(name).weight)

        expected = own(kind, unit, of)
        assert list(blocks[unit]) == list(expected)
        for block, values in expected.items():
            assert torch.equal(watching.weights(model, blocks[unit][block]), values)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_seen_gives_the_blocks_gradients(kind):
    model, whole = tiny(kind), tiny(kind)
    blocks = watching.blocks_of(model, UNITS)
    with watching.watched(model, watching.all_blocks(blocks)) as seen:
        loss_of(model, TOKENS[0]).backward()
    loss = loss_of(whole, TOKENS[0])
    for unit, expected in zip(UNITS, gradients(kind, whole, UNITS, loss), strict=True):
        for block, values in expected.items():
            torch.testing.assert_close(seen.gradient(blocks[unit][block]), values, rtol=1e-4, atol=1e-5)
    # Frozen, and nothing is left of the watching.
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_heads_of_a_layer_share_what_they_read_and_add_up_to(kind):
    blocks = watching.blocks_of(tiny(kind), [Head(1, 0), Head(1, 1), Head(0, 0)])
    first, second, other = (blocks[unit] for unit in blocks)
    for kind_of in ("qk", "v"):
        assert first[kind_of].read == second[kind_of].read == first["qk"].read
        assert first[kind_of].read != other[kind_of].read
    assert first["o"].written == second["o"].written != other["o"].written
    assert first["o"].read != second["o"].read


@pytest.mark.parametrize("kind", KINDS)
def test_head_scores_equal_per_sample_gradients(kind):
    """First and last layer, two heads that share keys and values among them, all at once."""
    queries = [
        query("first", [Head(0, 1)], probes.induction),
        query("last", [Head(1, 2)], probes.induction),
        query("both", [Head(0, 0), Head(1, 3)], probes.induction),
        query("early", [Head(0, 1)], probes.previous_token, TOKENS),
        query("late", [Head(1, 3), Head(1, 0)], probes.previous_token, TOKENS),
    ]
    units = [Head(layer, number) for layer in range(2) for number in range(HEADS)]
    assert_agree(kind, scored(tiny(kind), units, queries), queries)


@pytest.mark.parametrize("kind", LLAMAS)
def test_a_head_of_a_group_scores_the_same_alone(kind):
    queries = [query("one", [Head(0, 1)], probes.induction)]
    assert_agree(kind, scored(tiny(kind), [Head(0, 1)], queries), queries)
    pair = [query("both", [Head(0, 0), Head(0, 1)], probes.induction)]
    assert_agree(kind, scored(tiny(kind), pair[0].units, pair), pair)


@pytest.mark.parametrize("kind", KINDS)
def test_neuron_scores_equal_per_sample_gradients(kind):
    queries = [
        # Where MLP and attention read the same, first neurons cannot tell that a token is repeated.
        query("first", [Neuron(0, 3), Neuron(0, 11)], probes.activation, TOKENS),
        query("last", [Neuron(1, 0)], probes.activation),
        query("through", [Neuron(0, 1), Neuron(1, 5)], probes.activation),
        query("copy", [Neuron(0, 3), Neuron(1, 5)], probes.induction),
        query("mixed", [Neuron(1, 3), Head(1, 3)], probes.induction),
    ]
    units = sorted({unit for item in queries for unit in item.units}, key=str)
    assert_agree(kind, scored(tiny(kind), units, queries), queries)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_of_whole_attentions_and_mlps_equal_per_sample_gradients(kind):
    """Beside heads and neurons that they consist of; the last is all that writes to the residual stream."""
    queries = [
        query("attention", [Attention(1)], probes.induction),
        query("mlp", [MLP(0)], probes.induction),
        query("head", [Head(1, 2)], probes.induction),
        query("neuron", [Neuron(0, 3)], probes.induction),
        query("patterns", [Attention(0)], probes.previous_token, TOKENS),
        query("residual", parse_all("L1.residual"), probes.induction),
    ]
    assert [str(unit) for unit in queries[-1].units] == ["L0.attention", "L0.mlp", "L1.attention", "L1.mlp"]
    units = all_units({item.target: list(item.units) for item in queries})
    assert_agree(kind, scored(tiny(kind), units, queries), queries)


@pytest.mark.parametrize("kind", KINDS)
def test_documents_that_do_not_fill_their_rows_score_as_they_do_alone(kind):
    rows = STORE.take(np.arange(len(STORE)))
    lengths = np.array([11, 2, 5, 9, 3, 7, 10])
    store = Store(np.where(np.arange(rows.shape[1]) < lengths[:, None], rows, PADDED))
    queries = [
        query("attention", [Attention(1)], probes.induction),
        query("mlp", [MLP(0)], probes.induction),
        query("residual", parse_all("L1.residual"), probes.induction),
        query("head", [Head(1, 2)], probes.induction),
    ]
    units = all_units({item.target: list(item.units) for item in queries})
    assert_agree(kind, scored(tiny(kind), units, queries, store=store), queries, store)


@pytest.mark.parametrize("kind", ["gpt_neox", "gpt2"])
def test_a_whole_attention_is_the_sum_of_its_heads_without_curvature(kind):
    """Where no head shares its keys and values."""
    heads = [Head(1, number) for number in range(HEADS)]
    queries = [query("whole", [Attention(1)], probes.induction), query("heads", heads, probes.induction)]
    found = scored(tiny(kind), [*heads, Attention(1)], queries)
    for block in ("qk", "v", "o"):
        np.testing.assert_allclose(found["whole"][block], found["heads"][block], rtol=1e-4, atol=1e-5)


def test_few_gradients_at_a_time_change_no_curvature(monkeypatch):
    tracker = influence.Tracker(tiny("llama"), [MLP(0), Head(1, 2)], 5)
    whole = tracker.fit(rows_of(), "ekfac", 4)["lambda_matrix"]
    monkeypatch.setattr(curvature, "GRADIENTS", 1)
    parts = tracker.fit(rows_of(), "ekfac", 4)["lambda_matrix"]
    for name, expected in whole.items():
        torch.testing.assert_close(parts[name], expected, rtol=1e-5, atol=1e-8)


# A whole attention has so many weights that one of three is enough: it reads and writes as heads do.
@pytest.mark.parametrize(
    ("kind", "head"),
    [(kind, unit) for kind in ("gpt_neox", "gpt2", "mistral") for unit in (Head(0, 1), Head(1, 2), MLP(1))]
    + [("mistral", Attention(0))],
)
def test_ekfac_scores_equal_a_dense_computation(kind, head):
    item = query("unit", [head], probes.induction)
    others = [Head(0, 0), Head(0, 1), Head(1, 2)]
    found = scored(tiny(kind), list(dict.fromkeys([*others, head])), [item], "ekfac")["unit"]
    worst = 0.0
    for block, expected in dense_ekfac(kind, item).items():
        worst = max(worst, np.abs(found[block] - expected).max() / np.ptp(expected))
        # kronfluence works in float32, and eigenvectors of near-equal eigenvalues may mix.
        assert found[block] == pytest.approx(expected, rel=2e-3, abs=2e-3 * np.ptp(expected))
    print(f"{kind} {head}: EK-FAC scores differ from the dense ones by {worst:.1e} of their range")


@pytest.mark.parametrize("kind", KINDS)
def test_head_metrics_equal_a_direct_computation(kind):
    model = tiny(kind, attention="sdpa")
    scores = metrics.head_scores(model, REPEATED)
    assert model.config._attn_implementation == "sdpa"
    model = tiny(kind)
    name, kept = WEIGHTS[kind].output, []
    for layer in range(2):
        projection = layer_of(model, layer).get_submodule(name)
        projection.register_forward_pre_hook(lambda module, inputs: kept.append(inputs[0]))
    attentions = model(REPEATED, output_attentions=True).attentions
    norm = getattr(model.base_model, {"gpt_neox": "final_layer_norm", "gpt2": "ln_f"}.get(kind, "norm"))
    for layer in range(2):
        assert attentions[layer].shape == (3, HEADS, 12, 12)
        weight = as_rows(kind, layer_of(model, layer).get_submodule(name).weight)
        for head in range(HEADS):
            pattern = attentions[layer][:, head]
            matching = np.mean([pattern[:, t, t - 5].mean().item() for t in range(6, 12)])
            assert scores.prefix_matching[layer, head].item() == pytest.approx(matching, rel=1e-4)
            only = torch.zeros_like(kept[layer])
            only[..., head * SIZE : (head + 1) * SIZE] = kept[layer][..., head * SIZE : (head + 1) * SIZE]
            written = only @ weight.T
            if kind == "olmo2":
                written = layer_of(model, layer).post_attention_layernorm(written)
            copied = (
                model.lm_head(norm(written)).log_softmax(-1)[:, 6:11].gather(-1, REPEATED[:, 7:, None]).mean()
            )
            assert scores.copying[layer, head].item() == pytest.approx(copied.item(), rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_neuron_activation_is_late_minus_early(kind):
    model, units, kept = tiny(kind), [Neuron(1, 4), Neuron(0, 11)], {}
    for layer in range(2):

        def keep(module, inputs, layer=layer):
            kept[layer] = inputs[0]

        layer_of(model, layer).get_submodule(WEIGHTS[kind].down).register_forward_pre_hook(keep)
    found = metrics.neuron_activation(model, REPEATED, units)
    for value, unit in zip(found, units, strict=True):
        mine = kept[unit.layer][..., unit.number]
        expected = np.mean([(mine[:, t + 6] - mine[:, t]).mean().item() for t in range(6)])
        assert value.item() == pytest.approx(expected, rel=1e-4, abs=1e-6)
    summed = probes.activation(model, REPEATED, units)
    assert summed.item() == pytest.approx(found.sum().item() * 3 * 6, rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_state_takes_the_same_next_step(tmp_path, kind):
    stream = schedule.base(7, steps=3, batch_size=2, seed=0)
    cadence = training.Cadence(1, 0, 1e9, tmp_path)
    trainer = training.Trainer(stream, STORE, None, OPTIMIZER, NUMERICS, lambda model: {}, cadence)
    model = tiny(kind)
    optimizer = adamw.make_optimizer(model, OPTIMIZER)
    for step in range(2):
        trainer.update(model, optimizer, step)
    adamw.save_state(tmp_path / "state", model, optimizer)
    loaded, moments = adamw.load_state(tmp_path / "state", OPTIMIZER, NUMERICS)
    before = model.get_input_embeddings().weight.detach().clone()
    trainer.update(model, optimizer, 2)
    trainer.update(loaded, moments, 2)
    assert not torch.equal(before, model.get_input_embeddings().weight)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, loaded.get_parameter(name)), name
    assert torch.equal(model.get_output_embeddings().weight, loaded.get_output_embeddings().weight)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_with_sdpa_equal_those_with_eager(kind):
    """Also of a probe that reads attention patterns, which sdpa does not give."""
    units = [Head(0, 1), Head(1, 2)]
    queries = [
        query("copy", [Head(0, 1)], probes.induction),
        query("previous", [Head(1, 2)], probes.previous_token),
    ]
    eager = scored(tiny(kind), units, queries)
    model = tiny(kind, attention="sdpa")
    sdpa = scored(model, units, queries)
    assert model.config._attn_implementation == "sdpa"
    for target, parts in eager.items():
        scale = max(np.abs(values).max() for values in parts.values())
        for block, values in parts.items():
            np.testing.assert_allclose(sdpa[target][block], values, rtol=1e-4, atol=1e-5 * scale)


@pytest.mark.parametrize("kind", ["gpt_neox", "gpt2", "llama"])
def test_scores_in_bf16_rank_samples_the_same(kind):
    store = Store(np.random.default_rng(2).integers(0, 20, (60, 11)))
    queries = [query("copy", [Head(0, 1), Head(1, 2), Neuron(0, 3)], probes.induction)]
    found = {
        precision: scored(tiny(kind), queries[0].units, queries, "ekfac", precision, store)["copy"]
        for precision in ("fp32", "bf16")
    }
    for block in ("qk", "v", "o", "in", "out"):
        assert found["bf16"][block].dtype == np.float32
        correlation = spearmanr(found["fp32"][block], found["bf16"][block]).statistic
        print(f"{kind} {block}: Spearman correlation of bf16 with fp32 scores {correlation:.4f}")
        assert correlation > 0.9
        assert not np.array_equal(found["fp32"][block], found["bf16"][block])


def test_factors_of_bf16_passes_are_float32():
    tracker = influence.Tracker(tiny("llama"), [Head(0, 1)], 5, precision="bf16")
    factors = curvature.flatten(tracker.fit(rows_of(), "ekfac", 4))
    assert {tensor.dtype for tensor in factors.values()} == {torch.float32, torch.int64}


def made(kind, **settings):
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": HEADS}
    shared = {"num_key_value_heads": 2} if kind in LLAMAS else {}
    wanted = sections.Model(
        architecture=kind,
        seed=0,
        checkpoint=None,
        revision=None,
        published={},
        settings={**sizes, **shared, **settings},
    )
    return models.create(wanted, None, 20, 16, "eager")


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_made_from_settings(kind):
    model = made(kind)
    size = 128 if kind == "qwen3" else SIZE
    assert architectures.shape(model) == (2, HEADS, size)
    assert architectures.shared_heads(model) == (2 if kind in LLAMAS else HEADS)
    assert model.config.max_position_embeddings == 16
    assert model.config.vocab_size == 20
    # A row of zeros would be a padding token's, which never learns.
    assert (model.get_input_embeddings().weight != 0).any(dim=1).all()
    model.train()
    assert torch.equal(model(TOKENS).logits, model(TOKENS).logits)


def test_gpt2_takes_its_own_names_and_the_common_ones():
    assert made("gpt2", n_inner=8).config.n_inner == 8
    names = {"n_embd": 16, "n_layer": 1, "n_head": 2}
    wanted = sections.Model(
        architecture="gpt2", seed=0, checkpoint=None, revision=None, published={}, settings=names
    )
    assert architectures.shape(models.create(wanted, None, 20, 16, "eager")) == (1, 2, 8)
    with pytest.raises(ValidationError, match="'hidden_size' and 'n_embd' are the same setting of gpt2"):
        made("gpt2", n_embd=32)
    with pytest.raises(
        ValidationError, match="unknown key 'hidden_sise' of gpt2; did you mean 'hidden_size'"
    ):
        made("gpt2", hidden_sise=32)


def test_dropout_is_refused_in_settings_and_switched_off_in_a_checkpoint(tmp_path, caplog):
    with pytest.raises(ValidationError, match=r"'attn_pdrop' is 0\.1, but runs can only be compared"):
        made("gpt2", attn_pdrop=0.1)
    settings = AutoConfig.for_model("gpt2", vocab_size=20, n_embd=16, n_layer=1, n_head=2, n_positions=16)
    AutoModelForCausalLM.from_config(settings).save_pretrained(tmp_path)
    wanted = sections.Model(
        architecture="gpt2", seed=0, checkpoint=str(tmp_path), revision=None, published={}, settings={}
    )
    with caplog.at_level("INFO"):
        model = models.create(wanted, tmp_path, 20, 16, "eager").train()
    assert "resid_pdrop of the checkpoint, 0.1, is set to 0" in caplog.text
    tokens = torch.arange(16)[None]
    assert torch.equal(model(tokens).logits, model.eval()(tokens).logits)


def test_uneven_groups_are_one_sentence():
    with pytest.raises(UserError, match="4 attention heads cannot share 3 of keys and values evenly"):
        made("llama", num_key_value_heads=3)


def test_a_neuron_is_no_head():
    assert Neuron.parse("L1N37") == Neuron(1, 37)
    assert str(Neuron(1, 37)) == "L1N37"
    assert len({Head(1, 3), Neuron(1, 3)}) == 2
    with pytest.raises(UserError, match="'L1H3' names no neuron; write a place such as L1N37"):
        Neuron.parse("L1H3")


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        (Neuron(0, NEURONS), "L0N12 does not exist; the model has layers 0 to 1 with neurons 0 to 11"),
        (Head(2, 0), "L2H0 does not exist; the model has layers 0 to 1 with heads 0 to 3"),
    ],
)
def test_a_unit_that_the_model_lacks_is_one_sentence(unit, words):
    with pytest.raises(UserError, match=words):
        watching.blocks_of(tiny("llama"), [unit])
