"""Training: unbroken and resumed runs, roles, the learning rate."""

import math
import os
import signal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import NUMERICS, OPTIMIZER, Store, tiny_model

from mda.runtime import interruption
from mda.runtime.errors import UserError
from mda.training import adamw, schedule, training

SETTINGS = OPTIMIZER.model_copy(update={"schedule": "cosine", "warmup_steps": 3, "decay_steps": 12})
STORE = Store(np.random.default_rng(0).integers(0, 20, (60, 9)))
STREAM = schedule.base(60, steps=10, batch_size=6, seed=0)


def evaluate(model):
    total = sum(parameter.detach().double().sum() for parameter in model.parameters())
    return {"held_out_loss": float(total), "prefix_matching": [[0.0]]}


def trainer(folder: Path, stream=STREAM, save_seconds=math.inf, synthetic=None, measure=evaluate):
    cadence = training.Cadence(2, 0, save_seconds, folder)
    return training.Trainer(stream, STORE, synthetic, SETTINGS, NUMERICS, measure, cadence)


def run(folder, stop=10, **arguments):
    found = trainer(folder, **arguments)
    model = tiny_model()
    model = found.follow(model, adamw.make_optimizer(model, SETTINGS), 0, stop)
    return found.records, model


class Killed(Exception):
    pass


@pytest.mark.parametrize(("step", "number"), [(2, signal.SIGTERM), (6, signal.SIGTERM), (4, signal.SIGINT)])
def test_a_run_that_is_told_to_end_saves_first(tmp_path, step, number):
    """By SLURM or by Ctrl-C: the state of that very step is saved, whatever the cadence."""
    records, model = run(tmp_path / "unbroken")

    def tell(model):
        calls.append(1)
        if len(calls) == 1 + step // 2:
            os.kill(os.getpid(), number)
        return evaluate(model)

    calls: list[int] = []
    before = signal.getsignal(number)
    with pytest.raises(UserError, match=f"told to end at step {step};"), interruption.watched():
        run(tmp_path / "broken", measure=tell)
    assert signal.getsignal(number) is before
    again, resumed = run(tmp_path / "broken")
    assert repr(again) == repr(records)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, resumed.get_parameter(name)), name


@pytest.mark.parametrize("last", [1, 3, 4, 9])
def test_a_killed_run_goes_on_to_the_same_numbers(tmp_path, last):
    records, model = run(tmp_path / "unbroken")

    def kill(model):
        calls.append(1)
        if len(calls) == 1 + math.ceil(last / 2):
            raise Killed
        return evaluate(model)

    calls: list[int] = []
    with pytest.raises(Killed):
        run(tmp_path / "broken", save_seconds=0, measure=kill)
    again, resumed = run(tmp_path / "broken", save_seconds=0)
    assert [record["step"] for record in again] == [0, 2, 4, 6, 8, 10]
    assert repr(again) == repr(records)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, resumed.get_parameter(name)), name


def test_a_state_brings_back_the_optimizer(tmp_path):
    """A branch from a saved state takes the same next step as the run itself."""
    found, model = trainer(tmp_path), tiny_model()
    optimizer = adamw.make_optimizer(model, SETTINGS)
    for step in range(4):
        found.update(model, optimizer, step)
    adamw.save_state(tmp_path / "state", model, optimizer)
    loaded, moments = adamw.load_state(tmp_path / "state", SETTINGS, NUMERICS)
    found.update(model, optimizer, 4)
    found.update(loaded, moments, 4)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, loaded.get_parameter(name)), name


def test_a_damaged_state_is_one_sentence(tmp_path):
    model = tiny_model()
    adamw.save_state(tmp_path / "state", model, adamw.make_optimizer(model, SETTINGS))
    moments = tmp_path / "state" / "optimizer.safetensors"
    moments.write_bytes(moments.read_bytes()[:-10] + b"x")
    (tmp_path / "state" / "model.safetensors").write_bytes(b"123")
    with pytest.raises(UserError, match="cannot be loaded"):
        adamw.load_state(tmp_path / "state", SETTINGS, NUMERICS)


def test_masked_rows_give_no_gradient(tmp_path):
    """Masking equals a loss with weight zero on the row, computed without leaving it out."""
    selected = STREAM.at(0)[0][0][:2]
    found, model = trainer(tmp_path, STREAM.changed(schedule.mask(STREAM, selected))), tiny_model()
    (batch,) = found.batches(0)
    ((rows, roles),) = found.stream.at(0)
    assert len(batch) == 4
    everything = torch.from_numpy(STORE.take(rows))
    losses = torch.nn.functional.cross_entropy(
        model(everything[:, :-1]).logits.transpose(1, 2), everything[:, 1:], reduction="none"
    )
    kept = torch.from_numpy(roles != schedule.MASKED)
    expected = (losses * kept[:, None]).sum() / (kept.sum() * losses.shape[1])
    assert found.update(model, adamw.make_optimizer(model, SETTINGS), 0) == pytest.approx(
        expected.item(), rel=1e-5
    )


def test_a_step_without_rows_makes_no_update(tmp_path):
    stream = STREAM.changed(schedule.mask(STREAM, STREAM.at(0)[0][0]))
    found, model = trainer(tmp_path, stream), tiny_model()
    assert math.isnan(found.update(model, adamw.make_optimizer(model, SETTINGS), 0))
    assert all(
        torch.equal(parameter, tiny_model().get_parameter(name))
        for name, parameter in model.named_parameters()
    )


def test_synthetic_rows_come_from_their_own_store(tmp_path):
    generated = Store(np.full((3, 9), 7))
    stream = STREAM.changed(schedule.insert_at(np.arange(3), schedule.SYNTHETIC, 0, step=4, batch_size=2))
    found = trainer(tmp_path, stream, synthetic=generated)
    natural, *inserted = found.batches(4)
    assert len(natural) == 6
    assert [part.tolist() for part in inserted] == [[[7] * 9] * 2, [[7] * 9]]
    assert [len(part) for part in found.batches(3)] == [6]


def test_inserted_updates_are_updates(tmp_path):
    """A step with two updates moves the model as two steps of the same rate do."""
    generated = Store(STORE.tokens[:6])
    stream = STREAM.changed(schedule.insert_at(np.arange(6), schedule.SYNTHETIC, 0, step=8, batch_size=6))
    once, twice = tiny_model(), tiny_model()
    found = trainer(tmp_path, stream, synthetic=generated)
    found.update(once, adamw.make_optimizer(once, SETTINGS), 8)
    plain = trainer(tmp_path, synthetic=generated)
    optimizer = adamw.make_optimizer(twice, SETTINGS)
    for batch in found.batches(8):
        plain.batches = lambda step, batch=batch: [batch]
        plain.update(twice, optimizer, 8)
    for name, parameter in once.named_parameters():
        assert torch.equal(parameter, twice.get_parameter(name)), name


@pytest.mark.parametrize("at_once", [1, 2, 4, 5, 6])
def test_gradient_accumulation_in_any_split_gives_the_same_update(tmp_path, at_once):
    """Gradients, not parameters: Adam's first update is their sign, even of what is zero but for rounding."""
    whole, parts = tiny_model(dtype=torch.float64), tiny_model(dtype=torch.float64)
    found = trainer(tmp_path)
    (batch,) = found.batches(5)
    loss = found.gradient(whole, batch)
    found.rows_at_once = at_once
    assert found.gradient(parts, batch).item() == pytest.approx(loss.item(), rel=1e-6)
    for name, parameter in whole.named_parameters():
        torch.testing.assert_close(parameter.grad, parts.get_parameter(name).grad, rtol=1e-9, atol=1e-12)


def test_a_gpu_without_room_takes_fewer_rows(tmp_path, monkeypatch):
    found, model = trainer(tmp_path), tiny_model()
    seen = []
    accumulate = found._accumulate

    def short_of_memory(model, mine, at_once, rows):
        seen.append(at_once)
        loss = accumulate(model, mine, at_once, rows)
        if at_once > 2:
            raise torch.cuda.OutOfMemoryError
        return loss

    found.rows_at_once = 6
    monkeypatch.setattr(found, "_accumulate", short_of_memory)
    (batch,) = found.batches(5)
    found.gradient(model, batch)
    assert seen == [6, 3, 1]
    expected = tiny_model()
    trainer(tmp_path).gradient(expected, batch)
    for name, parameter in expected.named_parameters():
        torch.testing.assert_close(parameter.grad, model.get_parameter(name).grad, rtol=1e-4, atol=1e-6)


def test_bf16_passes_keep_parameters_and_moments_in_float32(tmp_path):
    half, full = tiny_model(), tiny_model()
    found = trainer(tmp_path)
    found.numerics = NUMERICS.model_copy(update={"training": "bf16"})
    optimizer = adamw.make_optimizer(half, SETTINGS)
    rough = found.update(half, optimizer, 5)
    exact = trainer(tmp_path).update(full, adamw.make_optimizer(full, SETTINGS), 5)
    assert rough != exact
    assert rough == pytest.approx(exact, rel=0.02)
    for parameter in half.parameters():
        assert parameter.dtype == torch.float32
        assert optimizer.state[parameter]["exp_avg"].dtype == torch.float32


def test_divergence_is_one_sentence(tmp_path):
    model = tiny_model()
    with torch.no_grad():
        model.gpt_neox.embed_in.weight.fill_(math.nan)
    with pytest.raises(UserError, match=r"diverged: the loss of step 0 is nan; lower run\.optimizer"):
        trainer(tmp_path).update(model, adamw.make_optimizer(model, SETTINGS), 0)


def test_learning_rate_warms_up_and_falls():
    rates = [adamw.learning_rate(SETTINGS, step) for step in range(14)]
    assert rates[:3] == pytest.approx([0.01 / 3, 0.02 / 3, 0.01])
    assert rates[3] == pytest.approx(0.01)
    assert rates[12] == rates[13] == pytest.approx(0.001)
    assert all(earlier > later for earlier, later in pairwise(rates[3:13]))


def test_pythias_learning_rate_at_step_1000():
    published = SETTINGS.model_copy(
        update={
            "learning_rate": 1e-3,
            "schedule": "neox",
            "warmup_steps": 1430,
            "decay_steps": 143_000,
        }
    )
    rates = {step: adamw.learning_rate(published, step) for step in (0, 1000, 1430, 1431, 72_930, 142_999)}
    assert rates[0] == 0
    assert rates[1000] == pytest.approx(1e-3 * 1000 / 1430)
    assert rates[1430] == pytest.approx(1e-3)
    assert rates[1431] < rates[1430]
    assert rates[72_930] == pytest.approx(0.5e-3)
    assert rates[142_999] == pytest.approx(1e-4)


def test_biases_and_norms_are_not_decayed():
    decayed, others = adamw.make_optimizer(tiny_model(), SETTINGS).param_groups
    assert all(parameter.ndim >= 2 for parameter in decayed["params"])
    assert others["weight_decay"] == 0
