"""Ways to train faster: each gives the numbers of the plain way but for rounding, or says that it cannot."""

import logging
import math

import numpy as np
import pytest
import torch
from conftest import NUMERICS, OPTIMIZER, Store, tiny_model
from independent import KINDS, STORE, tiny
from unit.training.test_training import SETTINGS, evaluate
from unit.training.test_training import STORE as ROWS
from unit.training.test_training import STREAM as ORDER

from mda.models import compilation
from mda.runtime.errors import UserError
from mda.training import acceleration, adamw, schedule, training

STREAM = schedule.base(len(STORE), 1, len(STORE), 0)
BATCH = torch.from_numpy(STORE.take(np.arange(len(STORE))))


@pytest.fixture(autouse=True)
def without_a_compiler(monkeypatch):
    """The same graphs, run by PyTorch: compiling for a CPU takes a minute."""
    monkeypatch.setattr(compilation, "BACKEND", "aot_eager")
    torch.compiler.reset()


def trainer(folder, way, precision="fp32", stream=STREAM, store=STORE, save_seconds=math.inf, every=2):
    numerics = NUMERICS.model_copy(update={"acceleration": way, "training": precision})
    cadence = training.Cadence(every, 0, save_seconds, folder)
    return training.Trainer(stream, store, None, SETTINGS, numerics, evaluate, cadence)


def gradients(folder, kind, way, precision):
    own, model = trainer(folder, way, precision), tiny(kind, attention="sdpa").train()
    # Which does not divide the rows.
    own.rows_at_once = 3
    loss = own.gradient(model, BATCH)
    assert own.plan == acceleration.PLANS[way]
    return float(loss), {name: parameter.grad for name, parameter in model.named_parameters()}


def compare(folder, kind, way, precision, tolerance):
    expected, plain = gradients(folder, kind, "plain", precision)
    loss, found = gradients(folder, kind, way, precision)
    assert loss == pytest.approx(expected, rel=tolerance / 10)
    for name, gradient in plain.items():
        assert (found[name] - gradient).norm() <= tolerance * gradient.norm(), name


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("bf16", 3e-2)])
@pytest.mark.parametrize("kind", KINDS)
def test_losses_through_the_output_layer_give_the_plain_gradients(tmp_path, kind, precision, tolerance):
    compare(tmp_path, kind, "fused", precision, tolerance)


@pytest.mark.parametrize("kind", KINDS)
def test_compiled_layers_give_the_plain_gradients(tmp_path, kind):
    compare(tmp_path, kind, "compiled", "fp32", 1e-5)


def test_layers_compiled_in_bf16_give_the_plain_gradients(tmp_path):
    compare(tmp_path, "gpt_neox", "compiled", "bf16", 3e-2)


def test_all_layers_and_all_parts_are_compiled_once(tmp_path):
    """One code of a layer, one of the losses; the last part has as many rows as the others."""
    seen = []

    def backend(graph, inputs):
        seen.append(graph)
        return graph.forward

    compilation.BACKEND = backend
    gradients(tmp_path, "gpt_neox", "compiled", "fp32")
    assert len(seen) == 2


@pytest.mark.parametrize("way", ["fused", "compiled"])
def test_a_killed_run_goes_on_to_the_same_numbers(tmp_path, way):
    def run(folder, stop, save_seconds=math.inf):
        own = trainer(folder, way, stream=ORDER, store=ROWS, save_seconds=save_seconds)
        model = tiny_model()
        model = own.follow(model, adamw.make_optimizer(model, SETTINGS, way), 0, stop)
        return own.records, model

    records, whole = run(tmp_path / "unbroken", 6)
    run(tmp_path / "broken", 4, save_seconds=0)
    again, resumed = run(tmp_path / "broken", 6)
    assert repr(again[-1]) == repr(records[-1])
    for name, parameter in whole.named_parameters():
        assert torch.equal(parameter, resumed.get_parameter(name)), name


class Waiting:
    """A model that diverges, on a device that is asked for its losses some steps later."""

    def __init__(self, monkeypatch, folder, every=1000, save_seconds=math.inf):
        monkeypatch.setattr(acceleration, "on_gpu", lambda asked, network: True)
        self.own = trainer(folder, "fused", stream=ORDER, store=ROWS, every=every, save_seconds=save_seconds)
        self.model, self.folder, self.done = tiny_model(), folder, 0
        whole = self.own.gradient

        def gradient(model, batch):
            self.done += 1
            loss = whole(model, batch)
            return loss * math.nan if self.done == 4 else loss

        monkeypatch.setattr(self.own, "gradient", gradient)

    def follow(self, *given):
        moments = adamw.make_optimizer(self.model, SETTINGS)
        return self.own.follow(self.model, moments, 0, 10, *given)


def test_a_diverged_loss_is_told_later_but_of_the_step_that_it_is_of(tmp_path, monkeypatch):
    found = Waiting(monkeypatch, tmp_path)
    with pytest.raises(UserError, match="the loss of step 3 is nan"):
        found.follow()
    assert found.done == 10
    assert [record["step"] for record in found.own.records] == [0]


def test_a_diverged_model_is_never_saved(tmp_path, monkeypatch):
    found = Waiting(monkeypatch, tmp_path, save_seconds=0)
    with pytest.raises(UserError, match="the loss of step 3 is nan"):
        found.follow()
    assert training.latest(found.own.cadence.folder).name == "step-000003"


def test_a_diverged_model_is_never_a_checkpoint(tmp_path, monkeypatch):
    found, kept = Waiting(monkeypatch, tmp_path), []
    with pytest.raises(UserError, match="the loss of step 3 is nan"):
        found.follow(lambda model, moments, step: kept.append(step), {2, 4, 6})
    assert kept == [2]
    assert found.done == 4


def test_a_diverged_model_is_never_measured(tmp_path, monkeypatch):
    found = Waiting(monkeypatch, tmp_path, every=2)
    with pytest.raises(UserError, match="the loss of step 3 is nan"):
        found.follow()
    assert [record["step"] for record in found.own.records] == [0, 2]


def test_records_are_those_of_a_run_that_waits_for_each_loss(tmp_path, monkeypatch):
    plain = trainer(tmp_path / "plain", "fused", stream=ORDER, store=ROWS)
    model = tiny_model()
    plain.follow(model, adamw.make_optimizer(model, SETTINGS), 0, 10)
    waiting = trainer(tmp_path / "waiting", "fused", stream=ORDER, store=ROWS)
    other = tiny_model()
    moments = adamw.make_optimizer(other, SETTINGS)
    monkeypatch.setattr(acceleration, "on_gpu", lambda asked, network: True)
    waiting.follow(other, moments, 0, 10)
    assert repr(waiting.records) == repr(plain.records)


def test_what_cannot_be_compiled_is_told_and_trained_without(tmp_path, caplog):
    def backend(graph, inputs):
        raise RuntimeError("no compiler here")

    compilation.BACKEND = backend
    own, model, expected = trainer(tmp_path, "compiled"), tiny("llama"), tiny("llama")
    loss = own.gradient(model, BATCH)
    assert "fails here" in caplog.text
    assert "no compiler here" in caplog.text
    assert own.plan == acceleration.PLANS["fused"]
    assert float(loss) == float(trainer(tmp_path, "fused").gradient(expected, BATCH))
    for name, parameter in expected.named_parameters():
        assert torch.equal(parameter.grad, model.get_parameter(name).grad), name


def test_other_errors_are_not_taken_for_a_compilers(tmp_path):
    own, model = trainer(tmp_path, "fused"), tiny("llama")
    with pytest.raises(RuntimeError):
        own.gradient(model, BATCH.double())


def of(updates: int, rows: int = 32, at_once: bool = True) -> acceleration.Size:
    """A training of so many updates, each of some rows of 2048 tokens."""
    return acceleration.Size(updates * rows * 2048, updates, at_once)


class TestPlan:
    """What is done without being asked for."""

    @pytest.fixture
    def on_a_gpu(self, monkeypatch):
        monkeypatch.setattr(acceleration, "_place", lambda network: "cuda")

    def test_on_a_cpu_nothing_changes(self):
        assert acceleration.plan("auto", tiny_model(), of(10**9)) == acceleration.PLANS["plain"]

    @pytest.mark.usefixtures("on_a_gpu")
    def test_what_is_asked_for_is_done(self):
        for way, plan in acceleration.PLANS.items():
            assert acceleration.plan(way, tiny_model(), of(1)) == plan

    @pytest.mark.usefixtures("on_a_gpu")
    def test_long_trainings_are_compiled_and_small_updates_recorded(self, monkeypatch):
        # Operations of a forward pass; those of an update of 160M are 5e13, of the small one 4e11.
        for weights, updates, expected in (
            (2 * 1.2e8, 20, "fused"),
            (2 * 1.2e8, 1000, "compiled"),
            (2 * 1e6, 100, "graph"),
            (2 * 1e6, 10**6, "graph"),
        ):
            monkeypatch.setattr(compilation, "products", lambda _, tokens, weights=weights: weights * tokens)
            found = acceleration.plan("auto", tiny_model(), of(updates))
            assert found == acceleration.PLANS[expected], expected
        in_parts = acceleration.plan("auto", tiny_model(), of(100, at_once=False))
        assert in_parts == acceleration.PLANS["fused"]

    @pytest.mark.usefixtures("on_a_gpu")
    @pytest.mark.parametrize(("way", "instead"), [("graph", "fused"), ("compiled_graph", "compiled")])
    def test_a_graph_of_an_update_in_parts_is_told(self, way, instead, caplog):
        assert acceleration.plan(way, tiny_model(), of(1, at_once=False)) == acceleration.PLANS[instead]
        assert f"going on as with {instead}" in caplog.text

    def test_a_graph_without_a_gpu_is_one_sentence(self):
        with pytest.raises(UserError, match="graph, which needs a GPU; set it to auto"):
            acceleration.plan("graph", tiny_model(), of(1))


def test_branches_are_as_long_as_their_base_run_without_what_they_insert():
    """So that all are computed in the same way."""
    stream = schedule.base(60, steps=10, batch_size=6, seed=0)
    assert stream.ordered() == (60, 10)
    inserted = stream.changed(schedule.insert_at(np.arange(9), schedule.SYNTHETIC, 0, 4, batch_size=8))
    assert inserted.ordered() == (60, 10)
    assert stream.changed(schedule.mask(stream, np.arange(9))).ordered() == (60, 10)


def test_operations_are_two_a_weight_and_token():
    """Looking up an embedding is none; a tied one is the output layer too."""
    for kind in KINDS:
        model = tiny(kind)
        counted = dict(model.named_parameters())
        output, embedded = model.get_output_embeddings().weight, model.get_input_embeddings().weight
        total = sum(parameter.numel() for parameter in counted.values())
        expected = total - (0 if output is embedded else embedded.numel())
        assert compilation.products(model, 5) == 10 * expected


def test_a_model_that_shares_weights_shares_nothing_else(caplog):
    caplog.set_level(logging.ERROR)
    model = tiny("qwen2", attention="sdpa")
    other = compilation.sharing_weights(model)
    for name, parameter in model.named_parameters():
        assert other.get_parameter(name) is parameter, name
    other.eval().set_attn_implementation("eager")
    assert model.train().config._attn_implementation == "sdpa"
    assert not other.training
    with torch.no_grad():
        next(model.parameters()).add_(1.0)
    assert torch.equal(model(BATCH).logits, other(BATCH).logits) or torch.allclose(
        model(BATCH).logits, other(BATCH).logits, rtol=1e-4, atol=1e-5
    )


def test_the_largest_update_of_a_stream():
    stream = schedule.base(60, steps=10, batch_size=6, seed=0)
    assert stream.largest_update() == 6
    inserted = stream.changed(schedule.insert_at(np.arange(9), schedule.SYNTHETIC, 0, step=4, batch_size=8))
    assert inserted.largest_update() == 8
    assert stream.between(3, 3).largest_update() == 0


def test_attention_without_a_mask_is_causal():
    """As sdpa with its mask, whatever the batch."""
    for kind in KINDS:
        model = tiny(kind, attention="sdpa").eval()
        expected = model(BATCH).logits
        model.set_attn_implementation("causal_sdpa")
        torch.testing.assert_close(model(BATCH).logits, expected, rtol=1e-5, atol=1e-5, msg=kind)


def test_the_optimizer_of_one_kernel_takes_up_what_the_other_saved(tmp_path, monkeypatch):
    model, store = tiny_model(), Store(ROWS.tokens)
    own = trainer(tmp_path, "plain", stream=ORDER, store=store)
    moments = adamw.make_optimizer(model, OPTIMIZER)
    own.update(model, moments, 0)
    adamw.save_state(tmp_path / "state", model, moments)
    monkeypatch.setattr(acceleration, "on_gpu", lambda asked, network: True)
    loaded, fused = adamw.load_state(tmp_path / "state", OPTIMIZER, NUMERICS)
    assert fused.defaults["fused"]
    for each, optimizer in ((model, moments), (loaded, fused)):
        own.update(each, optimizer, 1)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter, loaded.get_parameter(name), rtol=1e-5, atol=1e-6, msg=name)
