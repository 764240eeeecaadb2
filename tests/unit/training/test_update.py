"""The update as a function: it is what training does, and its derivatives are those of finite differences."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from conftest import NUMERICS, OPTIMIZER, Store, tiny_model

from mda.training import adamw, schedule, tape, training, update
from mda.training.update import Adjoint, Flat, Rule, State

STORE = Store(np.random.default_rng(0).integers(0, 20, (60, 9)))
STREAM = schedule.base(60, steps=10, batch_size=6, seed=0)
SETTINGS = OPTIMIZER.model_copy(update={"schedule": "cosine", "warmup_steps": 3, "decay_steps": 12})


def trainer(folder, clip=1.0, stream=STREAM):
    cadence = training.Cadence(2, 0, math.inf, folder)
    settings = SETTINGS.model_copy(update={"clip": clip})
    return training.Trainer(stream, STORE, None, settings, NUMERICS, lambda model: {}, cadence)


@pytest.mark.parametrize("clip", [0.1, 1e9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_rule_is_what_training_does(tmp_path, clip, dtype):
    """Through ten updates, with a clip that acts in each and one that acts in none."""
    model = tiny_model(dtype=dtype)
    found = trainer(tmp_path, clip)
    optimizer = adamw.make_optimizer(model, found.settings)
    flat = Flat(model, optimizer)
    mine = flat.read()
    assert mine.made == 0
    for step in range(10):
        (batch,) = found.batches(step)
        found.gradient(model, batch)
        gradient = flat.gradient()
        assert (gradient.norm() > clip) == (clip == 0.1)
        found.apply(model, optimizer, step)
        rule = flat.rule(adamw.learning_rate(found.settings, step), clip)
        mine = update.updated(mine, gradient, rule)
        theirs = flat.read()
        assert mine.made == theirs.made == step + 1
        tolerance = 4 * torch.finfo(dtype).eps
        for name in ("weights", "first", "second"):
            torch.testing.assert_close(
                getattr(mine, name), getattr(theirs, name), rtol=tolerance, atol=1e-3 * tolerance
            )
        # So that rounding does not add up.
        mine = theirs


def test_a_state_goes_into_a_model_and_out(tmp_path):
    """A model that is given the state of another takes the same next update."""
    found, model = trainer(tmp_path), tiny_model()
    optimizer = adamw.make_optimizer(model, SETTINGS)
    for step in range(3):
        found.update(model, optimizer, step)
    other = tiny_model(seed=1)
    moments = adamw.make_optimizer(other, SETTINGS)
    Flat(other, moments).write(Flat(model, optimizer).read())
    for network, its in ((model, optimizer), (other, moments)):
        found.update(network, its, 3)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, other.get_parameter(name)), name


@pytest.mark.parametrize("clip", [0.5, 100.0])
def test_the_adjoint_is_that_of_finite_differences(clip):
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    state = State(draw(7), 0.1 * draw(7), 0.01 * draw(7).square() + 1e-3, 5)
    gradient = draw(7)
    rule = Rule(0.01, (0.9, 0.95), 1e-8, clip, (3, 4), (0.1, 0.0))
    assert (gradient.norm() > clip) == (clip == 0.5)
    after = [Adjoint(draw(7), draw(7), draw(7)) for _ in range(2)]

    def outcome(number, state, gradient):
        found = update.updated(state, gradient, rule)
        return sum(float(a @ b) for a, b in zip(after[number], found[:3], strict=True))

    def slope(number, name, place):
        ends = []
        for sign in (1, -1):
            change = torch.zeros(7, dtype=torch.float64)
            change[place] = sign * 1e-6
            moved = state if name == "gradient" else state._replace(**{name: getattr(state, name) + change})
            ends.append(outcome(number, moved, gradient + change if name == "gradient" else gradient))
        return (ends[0] - ends[1]) / 2e-6

    for number, (worth, before) in enumerate(update.backward(state, gradient, rule, after)):
        found = {"gradient": worth, **before._asdict()}
        for name, values in found.items():
            expected = [slope(number, name, place) for place in range(7)]
            assert values.tolist() == pytest.approx(expected, rel=1e-6, abs=1e-7), name


def test_no_path_leads_through_a_weight_whose_gradient_is_zero_or_rounding():
    """Of a token that never occurs, or of a bias that no loss depends on."""
    state = State(torch.ones(3), torch.tensor([0.1, 0.0, 1e-9]), torch.tensor([0.1, 0.0, 1e-18]), 5)
    gradient = torch.tensor([0.1, 0.0, 1e-9])
    rule = Rule(0.01, (0.9, 0.95), 1e-8, 1.0, (3,), (0.1,))
    ones = Adjoint(torch.ones(3), torch.ones(3), torch.ones(3))
    ((worth, before),) = update.backward(state, gradient, rule, [ones])
    assert worth[0] != 0
    assert worth[1:].tolist() == [0, 0]
    assert all(part.isfinite().all() for part in before)
    # The weights themselves go on to the next state all the same.
    assert before.weights.tolist() == pytest.approx([0.999] * 3)


def test_the_updates_of_a_stream_are_those_that_training_makes():
    stream = STREAM.changed(schedule.mask(STREAM, STREAM.at(2)[0][0]))
    stream = stream.changed(schedule.insert_at(np.arange(5), schedule.SYNTHETIC, 0, step=4, batch_size=3))
    found = tape.updates_of(stream)
    assert [each.step for each in found] == [0, 1, 3, 4, 4, 4, 5, 6, 7, 8, 9]
    assert [each.first for each in found] == [0, 6, 18, 24, 30, 33, 35, 41, 47, 53, 59]
    for each in found:
        place = slice(each.first, each.first + len(each.rows))
        assert np.array_equal(stream.row[place], each.rows)
        assert np.array_equal(stream.role[place], each.roles)


def test_a_training_that_leaves_a_parameter_out_is_refused(tmp_path):
    model = tiny_model()
    optimizer = adamw.make_optimizer(model, SETTINGS)
    trainer(tmp_path).update(model, optimizer, 0)
    optimizer.state.pop(next(model.parameters()))
    with pytest.raises(update.UserError, match="every parameter"):
        Flat(model, optimizer)


def test_masked_rows_are_no_rows_of_the_gradient():
    role = np.array([schedule.TRAIN, schedule.MASKED])
    assert dataclasses.replace(tape.updates_of(STREAM)[0], roles=role).counted.tolist() == [True, False]
