"""On a GPU: the numbers of the CPU, and batches that do not fit. Skipped where there is none."""

import logging
import math

import numpy as np
import pytest
import torch
from conftest import tiny_model
from independent import HEADS, KINDS, REPEATED, STORE, tiny
from unit.training.test_training import SETTINGS, trainer

from mda.attribution import influence, passes, probes
from mda.bench.shapes import Setting
from mda.models import model as models
from mda.models import output_layer
from mda.models.units import Head
from mda.runtime import parallel
from mda.training import acceleration, adamw

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here"),
]
CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
UNITS = [Head(layer, head) for layer in range(2) for head in range(HEADS)]


def scored(kind, place, strategy, precision, monkeypatch):
    """Scores of all heads, shape (heads, rows), with factors fitted there."""
    monkeypatch.setattr(parallel, "device", lambda: place)
    queries = [influence.Query(str(unit), [unit], probes.induction, REPEATED.to(place)) for unit in UNITS]
    tracker = influence.Tracker(tiny(kind).to(place), UNITS, 0, queries, precision)
    rows = influence.Rows(STORE, np.arange(len(STORE)))
    factors = tracker.fit(rows, strategy, 3)
    found = tracker.score(rows, factors, strategy, 0.1, 3)
    return np.array([sum(parts[part] for part in ("qk", "v", "o")) for _, parts in found])


@pytest.mark.parametrize("strategy", ["identity", "kfac", "ekfac"])
@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_those_of_the_cpu(kind, strategy, monkeypatch):
    expected, found = (scored(kind, place, strategy, "fp32", monkeypatch) for place in (CPU, GPU))
    # The labels of the factors are drawn: one that rounding changes would show, so few are at stake.
    scale = np.abs(expected).max(axis=1, keepdims=True)
    assert np.abs(found - expected).max() == pytest.approx(0, abs=2e-3 * scale.max())
    for mine, its in zip(found, expected, strict=True):
        assert np.corrcoef(mine, its)[0, 1] > 0.9999


@pytest.mark.parametrize("kind", KINDS)
def test_bf16_scores_follow_those_of_fp32(kind, monkeypatch):
    expected, found = (scored(kind, GPU, "identity", name, monkeypatch) for name in ("fp32", "bf16"))
    for mine, its in zip(found, expected, strict=True):
        assert np.corrcoef(mine, its)[0, 1] > 0.98


@pytest.mark.parametrize("kind", KINDS)
def test_layers_without_targets_compiled_give_the_same_scores(kind, monkeypatch):
    monkeypatch.setattr(parallel, "device", lambda: GPU)

    def scores(worth):
        torch.compiler.reset()
        monkeypatch.setattr(passes, "WORTH_COMPILING", worth)
        model = models.placed(tiny(kind, attention="sdpa"))
        queries = [influence.Query("L0H0", UNITS[:1], probes.induction, REPEATED.to(GPU))]
        tracker = influence.Tracker(model, UNITS[:1], 0, queries)
        rows = influence.Rows(STORE, np.arange(len(STORE)))
        # The last batch has fewer rows.
        ((_, parts),) = tracker.score(rows, tracker.fit(rows, "identity", 3), "identity", 0.1, 3)
        return sum(parts[part] for part in ("qk", "v", "o"))

    expected, found = scores(math.inf), scores(0.0)
    assert np.abs(found - expected).max() < 1e-3 * np.abs(expected).max()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_losses_are_those_of_the_cpu(precision):
    generator = torch.Generator().manual_seed(0)
    hidden, weight = torch.randn(300, 16, generator=generator), torch.randn(1000, 16, generator=generator)
    labels = torch.randint(0, 1000, (300,), generator=generator)

    def losses(place, name):
        given = hidden.to(place).requires_grad_()
        with torch.autocast(place.type, torch.bfloat16, enabled=name == "bf16"):
            found = output_layer._Losses.apply(given, weight.to(place), labels.to(place), None)
        found.sum().backward()
        return found.detach().cpu(), given.grad.cpu()

    tolerance = {"fp32": 1e-5, "bf16": 3e-2}[precision]
    for mine, its in zip(losses(GPU, precision), losses(CPU, "fp32"), strict=True):
        assert (mine - its).norm() < tolerance * its.norm()


def test_training_is_that_of_the_cpu(tmp_path):
    losses = {}
    for place in (CPU, GPU):
        model, own = tiny_model().to(place), trainer(tmp_path)
        optimizer = adamw.make_optimizer(model, SETTINGS)
        losses[place] = [own.update(model, optimizer, step) for step in (5, 6, 7)]
    assert losses[GPU] == pytest.approx(losses[CPU], rel=1e-4)


def accelerated(folder, way, precision, kind="gpt_neox"):
    """Losses of some updates, by the last of which compiled code and graphs are used again, and gradients."""
    torch.compiler.reset()
    model = models.placed(tiny(kind, attention="sdpa")).train()
    own = trainer(folder)
    own.numerics = own.numerics.model_copy(update={"acceleration": way, "training": precision})
    optimizer = adamw.make_optimizer(model, SETTINGS, way)
    found = [own.update(model, optimizer, step) for step in (5, 6, 7)]
    (batch,) = own.batches(8)
    # Fewer rows than an update has.
    own.gradient(model, batch[:5])
    assert own.plan == acceleration.PLANS[way]
    return found, {name: parameter.grad.cpu() for name, parameter in model.named_parameters()}


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-3), ("bf16", 5e-2)])
@pytest.mark.parametrize("way", ["fused", "compiled", "graph", "compiled_graph"])
def test_every_way_to_train_gives_the_numbers_of_the_plain_one(tmp_path, way, precision, tolerance):
    expected, plain = accelerated(tmp_path, "plain", precision)
    losses, found = accelerated(tmp_path, way, precision)
    assert losses == pytest.approx(expected, rel=tolerance / 5)
    for name, gradient in plain.items():
        assert (found[name] - gradient).norm() <= tolerance * gradient.norm(), name


@pytest.mark.parametrize("way", ["fused", "graph"])
def test_python_does_not_wait_for_the_gpu_in_an_update(tmp_path, way):
    model, own = models.placed(tiny("gpt_neox", attention="sdpa")).train(), trainer(tmp_path)
    own.numerics = own.numerics.model_copy(update={"acceleration": way})
    optimizer = adamw.make_optimizer(model, SETTINGS, way)
    own.update(model, optimizer, 5)
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = own.begin(model, optimizer, 6)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert math.isfinite(found.value())


@pytest.mark.parametrize("way", ["fused", "graph"])
def test_a_resumed_run_is_near_an_unbroken_one(tmp_path, way, monkeypatch):
    def run(folder, stop, save_seconds=math.inf):
        own = trainer(folder, save_seconds=save_seconds)
        own.numerics = own.numerics.model_copy(update={"acceleration": way, "attention": "sdpa"})
        model = models.placed(tiny("gpt_neox", attention="sdpa"))
        own.follow(model, adamw.make_optimizer(model, SETTINGS, way), 0, stop)
        return [record["train_loss"] for record in own.records[1:]]

    expected = run(tmp_path / "unbroken", 10)
    run(tmp_path / "broken", 6, save_seconds=0)
    assert run(tmp_path / "broken", 10) == pytest.approx(expected, rel=1e-3)


@pytest.fixture
def small_gpu():
    """As much memory as a small GPU has, of which the system tells nothing."""
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(3 * 2**30 / torch.cuda.mem_get_info()[1])
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)


def test_rows_that_do_not_fit_are_scored_by_halves(tmp_path, small_gpu, caplog):
    setting = Setting("14m", 1024, 128)
    store = setting.store(tmp_path)
    heads = setting.heads(1)
    query = influence.Query("all", heads, probes.induction, torch.arange(2, 34).repeat(1, 2).to(GPU))

    def losses(batch):
        tracker = influence.Tracker(setting.model(), heads, 0, [query])
        rows = influence.Rows(store, np.arange(setting.rows))
        factors = tracker.fit(rows, "identity", batch)
        ((_, parts),) = tracker.score(rows, factors, "identity", 0.1, batch)
        return np.stack(list(parts.values()))

    caplog.set_level(logging.INFO)
    halved = losses(128)
    assert "out of GPU memory: going on with 64 rows at once" in caplog.text
    caplog.clear()
    whole = losses(4)
    assert "out of GPU memory" not in caplog.text
    np.testing.assert_allclose(halved, whole, rtol=1e-3, atol=1e-3 * np.abs(whole).max())
