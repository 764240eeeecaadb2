"""The derivative of a training's outcome in the weight of every sample, against finite differences."""

import dataclasses
import math
import os
import signal

import numpy as np
import pytest
import torch
from conftest import NUMERICS, OPTIMIZER, Store, tiny_model

from mda.attribution import outcomes, probes, questions, trajectory
from mda.attribution.outcomes import Outcome
from mda.models import metrics
from mda.models.units import Head
from mda.runtime import interruption
from mda.runtime.errors import UserError
from mda.training import adamw, schedule, tape, training

STORE = Store(np.random.default_rng(0).integers(0, 20, (60, 9)))
NEW = Store(np.random.default_rng(1).integers(0, 20, (6, 9)))
HELD = torch.from_numpy(np.random.default_rng(2).integers(0, 20, (5, 9)))
ONCE = np.random.default_rng(3).permuted(np.tile(np.arange(20), (3, 1)), axis=1)[:, :6]
REPEATED = torch.from_numpy(np.concatenate([ONCE, ONCE], axis=1))
SETTINGS = OPTIMIZER.model_copy(update={"schedule": "cosine", "warmup_steps": 3, "decay_steps": 12})
# The steps before have given the state at which the walk ends its moments.
START, STOP = 4, 10
PLAIN = schedule.base(60, steps=STOP, batch_size=4, seed=0)


def of_every_role():
    """Masked, replaced and duplicated rows, and synthetic ones inserted at a step as updates of their own.

    One of these has a single row, which leaves a second process without any.
    """
    window = dataclasses.make_dataclass("Window", ["start", "stop"])(START, STOP)
    rows = PLAIN.between(START, STOP).row
    stream = PLAIN.changed(schedule.insert(PLAIN, rows[20:22], schedule.DUPLICATE, 0, window))
    stream = stream.changed(schedule.mask(stream, rows[[1, 8]]))
    replaced = np.flatnonzero(np.isin(stream.row, rows[[2, 13]]) & (stream.step >= START))
    row, role = stream.row.copy(), stream.role.copy()
    row[replaced], role[replaced] = rows[[18, 19]], schedule.REPLACEMENT
    stream = dataclasses.replace(stream, row=row, role=role)
    stream = stream.changed(schedule.insert_at(np.arange(5), schedule.SYNTHETIC, 0, step=6, batch_size=4))
    # A step that makes no update.
    gone = stream.step == 8
    return dataclasses.replace(stream, role=np.where(gone, schedule.MASKED, stream.role)).between(START, STOP)


def trainer(folder, stream, clip):
    cadence = training.Cadence(2, 0, math.inf, folder)
    settings = SETTINGS.model_copy(update={"clip": clip})
    return training.Trainer(stream, STORE, NEW, settings, NUMERICS, lambda model: {}, cadence)


def begun(clip, dtype=torch.float64):
    """A model and its optimizer after the steps before the walk."""
    model = tiny_model(dtype=dtype)
    found = trainer(None, PLAIN, clip)
    optimizer = adamw.make_optimizer(model, found.settings)
    for step in range(START):
        found.update(model, optimizer, step)
    return model, optimizer


def asked(model):
    own = probes.checked("own.py:own", lambda model, tokens, units: model(tokens).logits[:, -1, 3].sum())
    probe = questions.Question(own, REPEATED)
    heads = [Head(1, 0), Head(0, 1)]
    return [
        Outcome("matching", outcomes.of_heads(REPEATED, heads, "prefix_matching"), "mean"),
        Outcome("copying", outcomes.of_heads(REPEATED, heads, "copying"), "end"),
        Outcome("probe", outcomes.of_probe(probe, heads), "end"),
        Outcome("held-out", outcomes.of_loss(model, HELD), "mean"),
    ]


SOFTMAX = torch.nn.functional.softmax


def softmax(scores, *arguments, dtype=None, **others):
    """Transformers computes attention patterns in float32, whose rounding finite differences would see."""
    return SOFTMAX(scores, *arguments, dtype=None if scores.dtype == torch.float64 else dtype, **others)


@pytest.fixture(autouse=True)
def _in_float64(monkeypatch):
    monkeypatch.setattr(torch.nn.functional, "softmax", softmax)


STEPS = outcomes.evaluated(START, STOP, 2)


def walk(folder, stream, clip, length=None, at_once=None, dtype=torch.float64, save_seconds=math.inf):
    model, optimizer = begun(clip, dtype)
    found = trainer(folder, stream, clip)
    found.rows_at_once = at_once
    done = tape.Tape(found, model, optimizer, tape.updates_of(stream), folder, length)
    return trajectory.Walk(done, asked(model), STEPS, save_seconds)


def measured(model):
    """The outcomes' measures, written down anew."""
    with torch.no_grad():
        attentions = model(REPEATED, output_attentions=True).attentions
        matching = {
            (layer, head): np.mean(
                [float(attentions[layer][row, head, t, t - 5]) for row in range(3) for t in range(6, 12)]
            )
            for layer in range(2)
            for head in range(2)
        }
        logits = model(HELD[:, :-1]).logits.log_softmax(-1)
        loss = -logits.gather(-1, HELD[:, 1:, None]).mean()
        probe = model(REPEATED).logits[:, -1, 3].sum()
        copying = metrics.head_scores(model, REPEATED).copying[[1, 0], [0, 1]].mean()
    both = (matching[1, 0] + matching[0, 1]) / 2
    soft = 0.05 * np.log(sum(np.exp(value / 0.05) for value in matching.values()))
    return np.array([both, float(copying), float(probe), float(loss), sum(matching.values()), soft])


def outcomes_of_training(stream, clip, place, change):
    """The same training with another weight on the loss of one row of the stream, by torch alone."""
    model, optimizer = begun(clip)
    values, norms = [], []
    weights = np.where(stream.role == schedule.MASKED, 0.0, 1.0)
    weights[place] += change
    for step in range(START, STOP + 1):
        if step in STEPS:
            values.append(measured(model))
        mine = np.flatnonzero(stream.step == step)
        for number in np.unique(stream.update[mine]):
            update = mine[stream.update[mine] == number]
            counted = (stream.role[update] != schedule.MASKED).sum()
            if counted == 0:
                continue
            made = stream.role[update] == schedule.SYNTHETIC
            rows = [
                (NEW if new else STORE).tokens[row] for new, row in zip(made, stream.row[update], strict=True)
            ]
            tokens = torch.from_numpy(np.stack(rows))
            losses = torch.nn.functional.cross_entropy(
                model(tokens[:, :-1]).logits.transpose(1, 2), tokens[:, 1:], reduction="none"
            )
            loss = (torch.from_numpy(weights[update]) * losses.mean(dim=1)).sum() / counted
            model.zero_grad()
            loss.backward()
            norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), clip)))
            for group in optimizer.param_groups:
                group["lr"] = adamw.learning_rate(SETTINGS, step)
            optimizer.step()
    values = np.array(values)
    mean, last = values.mean(axis=0), values[-1]
    return np.array([mean[0], last[1], last[2], mean[3], values[1][4], mean[5]]), norms


@pytest.fixture(scope="module")
def stream():
    return of_every_role()


@pytest.fixture(scope="module")
def whole(stream, tmp_path_factory):
    """A walk in float32 that nothing breaks, with all states in memory."""
    return walk(tmp_path_factory.mktemp("whole"), stream, 0.5, dtype=torch.float32).follow()


def test_the_stream_has_every_role(stream):
    assert set(stream.role) == set(range(len(schedule.ROLES)))
    assert stream.update.max() == 2


@pytest.mark.parametrize("clip", [0.5, 1e9])
def test_scores_are_finite_differences_for_every_role(tmp_path, stream, clip):
    done = walk(tmp_path, stream, clip)
    every_head, soft = (
        outcomes.of_class(REPEATED, "best_prefix_matching", over) for over in ("sum", "soft_max")
    )
    done.asked = [*done.asked, Outcome("class", every_head, "step", STEPS[1]), Outcome("soft", soft, "mean")]
    found = done.follow()
    values, _ = outcomes_of_training(stream, clip, 0, 0.0)
    mean, last = found.curves.mean(axis=1), found.curves[:, -1]
    mine = [mean[0], last[1], last[2], mean[3], found.curves[4, 1], mean[5]]
    assert mine == pytest.approx(values, rel=1e-9)
    assert (found.scores[4, (stream.step >= STEPS[1]) & (stream.step != 8)] == 0).all()
    assert np.isnan(found.scores[:, stream.step == 8]).all()
    assert np.isfinite(found.scores[:, stream.step != 8]).all()
    largest = np.nanmax(np.abs(found.scores), axis=1)
    for role in range(len(schedule.ROLES)):
        places = np.flatnonzero((stream.role == role) & (stream.step != 8))
        for place in dict.fromkeys(places[[0, -1 if role == schedule.TRAIN else 0]]):
            up, norms = outcomes_of_training(stream, clip, place, 1e-4)
            down, _ = outcomes_of_training(stream, clip, place, -1e-4)
            assert (min(norms) > clip) == (clip == 0.5)
            expected = (up - down) / 2e-4
            errors = np.abs(found.scores[:, place] - expected) / largest
            assert errors.max() < 1e-6, (schedule.ROLES[role], place, errors)


@pytest.mark.parametrize("length", [1, 3])
def test_scores_are_the_same_wherever_states_are_kept(tmp_path, stream, whole, length):
    parts = walk(tmp_path, stream, 0.5, length, dtype=torch.float32).follow()
    for mine, theirs in zip(parts, whole, strict=True):
        assert np.array_equal(mine, theirs, equal_nan=True)


def test_scores_do_not_depend_on_how_a_batch_is_split(tmp_path, stream):
    together = walk(tmp_path / "together", stream, 0.5).follow()
    split = walk(tmp_path / "split", stream, 0.5, at_once=3).follow()
    for mine, theirs in zip(split, together, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-8 * np.nanmax(np.abs(theirs)))


class Killed(Exception):
    pass


@pytest.mark.parametrize(("length", "calls"), [(1, 2), (3, 5), (3, 12), (None, 15), (3, 30)])
def test_a_killed_walk_goes_on_to_the_same_numbers(tmp_path, stream, whole, length, calls, monkeypatch):
    """Killed at some gradient of the way there (7 updates), or at some pair of passes on the way back."""
    broken = walk(tmp_path / "broken", stream, 0.5, length, dtype=torch.float32, save_seconds=0)
    left = [calls]

    def counting(function):
        def run(*arguments):
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            return function(*arguments)

        return run

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(broken.tape, "_advance", counting(broken.tape._advance))
        patch.setattr(broken, "_differences", counting(broken._differences))
        broken.follow()
    again = walk(tmp_path / "broken", stream, 0.5, length, dtype=torch.float32, save_seconds=0).follow()
    for mine, theirs in zip(again, whole, strict=True):
        assert np.array_equal(mine, theirs, equal_nan=True)


def test_a_walk_that_is_told_to_end_saves_first(tmp_path, stream, whole, monkeypatch):
    broken = walk(tmp_path / "broken", stream, 0.5, dtype=torch.float32)
    differences, calls = broken._differences, []

    def tell(*arguments):
        calls.append(1)
        if len(calls) == 9:
            os.kill(os.getpid(), signal.SIGTERM)
        return differences(*arguments)

    monkeypatch.setattr(broken, "_differences", tell)
    # Two updates of four outcomes are done, and the third goes to its end.
    last = len(broken.tape.updates) - 3
    with pytest.raises(UserError, match=f"told to end at update {last};"), interruption.watched():
        broken.follow()
    again = walk(tmp_path / "broken", stream, 0.5, dtype=torch.float32)
    assert again._resumed().number == last
    assert np.array_equal(again.follow().scores, whole.scores, equal_nan=True)


@pytest.mark.parametrize("calls", [2, 6, 9, 12])
def test_told_while_states_are_made_it_saves_too(tmp_path, stream, whole, calls, monkeypatch):
    """On the way there at any update, and on the way back while a part is made again."""
    broken = walk(tmp_path / "broken", stream, 0.5, 3, dtype=torch.float32)
    advance, made = broken.tape._advance, []

    def tell(number):
        made.append(number)
        if len(made) == calls:
            os.kill(os.getpid(), signal.SIGTERM)
        advance(number)

    monkeypatch.setattr(broken.tape, "_advance", tell)
    with pytest.raises(UserError, match="told to end at update"), interruption.watched():
        broken.follow()
    assert len(made) == calls
    again = walk(tmp_path / "broken", stream, 0.5, 3, dtype=torch.float32).follow()
    for mine, theirs in zip(again, whole, strict=True):
        assert np.array_equal(mine, theirs, equal_nan=True)


def test_with_another_distance_of_states_a_killed_walk_begins_again(tmp_path, stream, whole):
    broken = walk(tmp_path / "broken", stream, 0.5, 3, dtype=torch.float32)
    broken.tape.forward(lambda number: None, {"values": []})
    again = walk(tmp_path / "broken", stream, 0.5, 2, dtype=torch.float32)
    assert list((tmp_path / "broken").glob("state-*")) == []
    for mine, theirs in zip(again.follow(), whole, strict=True):
        assert np.array_equal(mine, theirs, equal_nan=True)


def test_a_training_from_its_beginning_has_no_moments_yet(tmp_path):
    """As a base run saves its state at step 0."""
    model = tiny_model()
    files = tmp_path / "state"
    files.mkdir()
    adamw.save_state(files, model, adamw.make_optimizer(model, SETTINGS))
    found = trainer(None, PLAIN, 0.5)
    started, optimizer = adamw.load_state(files, SETTINGS, NUMERICS)
    done = tape.Tape(found, started, optimizer, tape.updates_of(PLAIN.between(0, 3)), tmp_path / "walk")
    scores = trajectory.Walk(done, asked(started), outcomes.evaluated(0, 3, 1), math.inf).follow().scores
    assert np.isfinite(scores[:, :12]).all()


def test_a_disk_without_room_is_told_before_anything_is_computed(tmp_path, stream, monkeypatch):
    usage = tape.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(tape.shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(UserError, match=r"take 0\.\d GB, but the disk has 0\.0 GB free"):
        walk(tmp_path, stream, 0.5, length=1)


def test_memory_without_room_is_told_too(tmp_path, stream, monkeypatch):
    monkeypatch.setattr(tape.machine, "memory", lambda: 0)
    with pytest.raises(
        UserError, match=r"of each 7 updates take 0\.0 GB of memory, but there are 0\.0 GB; set"
    ):
        walk(tmp_path, stream, 0.5, length=7)


def test_precision_in_float32_and_of_passes_over_the_output_layer(tmp_path, stream, whole):
    """Single precision, and losses a few tokens at a time, as on a GPU."""
    exact = walk(tmp_path / "exact", stream, 0.5).follow().scores
    fused = walk(tmp_path / "fused", stream, 0.5)
    fused.exact.numerics = NUMERICS.model_copy(update={"acceleration": "fused"})
    largest = np.nanmax(np.abs(exact), axis=1, keepdims=True)
    kept = stream.step != 8
    assert np.abs((whole.scores - exact) / largest)[:, kept].max() < 0.02
    assert np.abs((fused.follow().scores - exact) / largest)[:, kept].max() < 1e-6


def test_an_outcome_that_no_weight_changes_gives_no_sample_a_score(tmp_path, stream):
    done = walk(tmp_path, stream, 0.5)
    nothing = [lambda model: 0 * next(model.parameters()).sum() + 1]
    done.asked = [Outcome("constant", nothing, "mean")]
    assert (done.follow().scores[:, stream.step != 8] == 0).all()


def test_weights_of_evaluations():
    steps = outcomes.evaluated(60, 75, 10)
    assert steps == [60, 70, 75]
    mean, end, at = (Outcome("x", [], when, 70) for when in ("mean", "end", "step"))
    assert [mean.weight(step, steps) for step in (60, 61, 75)] == [1 / 3, 0, 1 / 3]
    assert [end.weight(step, steps) for step in (60, 70, 75)] == [0, 0, 1]
    assert [at.weight(step, steps) for step in (60, 70, 75)] == [0, 1, 0]


@pytest.mark.parametrize("metric", ["prefix_matching", "previous_token"])
def test_a_class_is_measured_by_the_best_head_and_its_derivative(metric):
    model = tiny_model(dtype=torch.float64)
    every = {
        head: outcomes.value(model, outcomes.of_heads(REPEATED, [head], metric))
        for head in (Head(layer, number) for layer in range(2) for number in range(2))
    }
    best = max(every, key=every.get)
    assert len(set(every.values())) == 4
    assert outcomes.value(model, outcomes.of_class(REPEATED, f"best_{metric}", "best")) == every[best]
    derivatives = []
    for measure in (
        outcomes.of_class(REPEATED, f"best_{metric}", "best"),
        outcomes.of_heads(REPEATED, [best], metric),
    ):
        outcomes.differentiate(model, measure)
        derivatives.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    assert torch.equal(*derivatives)
    assert derivatives[0].abs().max() > 0
