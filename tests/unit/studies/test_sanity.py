"""Sanity checks of attribution: each can pass and fail, by arithmetic and by the step on a tiny model."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import NUMERICS, OPTIMIZER, tiny_model
from tokenizers import Tokenizer, models
from transformers import GPT2Config, GPT2LMHeadModel

from mda.attribution import drawn_anew
from mda.config import sections, study_sections, unit_sections
from mda.corpus.tokens import TokenStore
from mda.evidence import finding
from mda.models.units import Head
from mda.runtime import files, parquet
from mda.steps.studies import sanity as step
from mda.studies import figures
from mda.studies.sanity import by_walk, checks, table
from mda.studies.sanity import finding as findings
from mda.training import adamw, schedule, training

GENERATOR = np.random.default_rng(0)
REAL = GENERATOR.normal(size=2000)
LABELS = np.where(np.arange(2000) % 3, "common", "rare")
NOISE = GENERATOR.normal(size=(6, 2000))


@pytest.mark.parametrize(
    ("drawn", "verdict", "value", "reference"),
    [
        (np.tile(REAL, (6, 1)), "fails", 1.0, 1.0),
        # Other numbers, but the same order of samples.
        (np.exp(REAL) * np.arange(1, 7)[:, None], "fails", 1.0, 1.0),
        (np.tile(-REAL, (6, 1)), "fails", -1.0, 1.0),
        (REAL + 0.1 * NOISE, "fails", 1.0, 1.0),
        (NOISE, "passes", 0.0, 0.0),
        # What all models have in common, and not the real one.
        (NOISE[0] + 0.1 * NOISE, "passes", 0.0, 1.0),
        (np.array([[1], [1], [1], [-1], [-1], [-1]]) * REAL, "inconclusive", 0.0, -0.2),
        (NOISE[:1], "inconclusive", 0.0, np.nan),
        (np.zeros((6, 2000)), "inconclusive", np.nan, np.nan),
    ],
)
def test_scores_that_ignore_the_weights_fail(drawn, verdict, value, reference):
    found = table.randomized(REAL, drawn, LABELS, 0.95)
    assert found["verdict"] == verdict
    assert (found["value"], found["reference"]) == pytest.approx((value, reference), abs=0.1, nan_ok=True)
    assert found["draws"] == len(drawn)


def test_agreement_between_labels_is_none_within_them():
    """Scores that only know the label agree, and not among the samples of a label."""
    known = np.where(LABELS == "rare", 9.0, 0.0)
    found = table.randomized(REAL + known, NOISE + known, LABELS, 0.95)
    assert found["verdict"] == "fails"
    assert found["within"] == pytest.approx(0, abs=0.05)
    # Three samples are no label.
    few = np.where(np.arange(2000) < 3, "few", LABELS)
    assert table.randomized(REAL, np.tile(REAL, (2, 1)), few, 0.95)["within"] == pytest.approx(1)
    assert np.isnan(table.randomized(REAL[:9], NOISE[:, :9], LABELS[:9], 0.95)["within"])


def test_the_interval_of_pairs_of_draws_is_that_of_a_mean_where_draws_add_up():
    """Of a[i] + a[j] it is twice the mean of a, and the jackknife gives its t interval."""
    added = GENERATOR.normal(size=7)
    found = table._mean_of_pairs(np.add.outer(added, added), 0.9)
    error = 1.943 * 2 * added.std(ddof=1) / np.sqrt(7)
    assert (found.value, found.low, found.high) == pytest.approx(
        (2 * added.mean(), 2 * added.mean() - error, 2 * added.mean() + error), abs=1e-3
    )


def test_two_scores_of_one_model_have_to_agree():
    assert table.same(REAL, REAL + 0.1 * NOISE[0], 0.95)["verdict"] == "passes"
    assert table.same(REAL, NOISE[0], 0.95)["verdict"] == "fails"
    assert table.same(REAL, REAL + 1.7 * NOISE[0], 0.95)["verdict"] == "inconclusive"


@pytest.mark.parametrize(
    ("check", "found", "real", "verdict"),
    [
        (checks.CONSTANT, np.zeros(3), REAL, "passes"),
        (checks.CONSTANT, np.array([0, 1e-30, 0]), REAL, "fails"),
        (checks.CONSTANT, np.array([0, np.nan, 0]), REAL, "fails"),
        (checks.EMPTY, np.array([1e-9]), REAL, "fails"),
        (checks.LATER, np.zeros(3), np.zeros(9), "inconclusive"),
        (checks.MASKED, np.array([1e-4]), np.array([-1.0, 0.5]), "passes"),
        (checks.MASKED, np.array([-2e-3]), np.array([-1.0, 0.5]), "fails"),
    ],
)
def test_what_cannot_matter_has_to_have_none(check, found, real, verdict):
    assert table.nothing(check, found, real)["verdict"] == verdict


def test_enrichment_has_to_vanish_where_labels_are_shuffled():
    labels = np.where(REAL > 0.5, "catalyst", "other")
    orders = GENERATOR.permuted(np.tile(np.arange(2000), (300, 1)), axis=1)
    found = table.shuffled(REAL, labels, orders, 0.1, 0.95)
    assert found["reference"] == pytest.approx(2000 / (REAL > 0.5).sum())
    assert found["value"] == pytest.approx(1, abs=0.1)
    assert (found["label"], found["verdict"]) == ("catalyst", "passes")
    # Labels that stay where they are.
    kept = table.shuffled(REAL, labels, np.tile(np.arange(2000), (300, 1)), 0.1, 0.95)
    assert kept["verdict"] == "fails"
    # Nothing that could vanish.
    assert table.shuffled(NOISE[0], labels, orders, 0.1, 0.95)["verdict"] == "inconclusive"
    assert table.shuffled(REAL, np.full(2000, "all"), orders, 0.1, 0.95)["verdict"] == "inconclusive"
    assert table.shuffled(0 * REAL, labels, orders, 0.1, 0.95)["verdict"] == "inconclusive"


def test_a_rare_label_at_the_top_is_not_judged():
    """Chance puts none of it there, so that its absence from there says nothing."""
    labels = np.where(np.arange(2000) == REAL.argmax(), "once", "other")
    orders = GENERATOR.permuted(np.tile(np.arange(2000), (300, 1)), axis=1)
    assert table.shuffled(REAL, labels, orders, 0.01, 0.95)["verdict"] != "fails"
    assert table.shuffled(REAL, REAL.astype(str), orders, 0.01, 0.95)["verdict"] == "inconclusive"


def test_rows_are_masked_before_the_outcome_and_get_other_tokens():
    row = np.arange(40)
    stream = schedule.Schedule(*[0 * row] * 3, row, 0 * row)
    one, other = by_walk.masked(stream, row < 32)
    [places] = np.nonzero(one.role == schedule.MASKED)
    assert (len(places), places.max() < 32) == (4, True)
    assert (one.row[places] != other.row[places]).all()
    assert by_walk.masked(stream, row < 15) is None


def gpt2():
    settings = GPT2Config(vocab_size=20, n_embd=16, n_layer=2, n_head=2, n_positions=32, n_inner=32)
    return GPT2LMHeadModel(settings)


@pytest.mark.parametrize("make", [tiny_model, gpt2])
def test_only_what_is_named_is_drawn_anew(make):
    """As initial weights of the seed, and without the moments that were of the old weights."""
    model = make()
    optimizer = adamw.make_optimizer(model, OPTIMIZER)
    model(torch.ones(1, 4, dtype=torch.long)).logits.square().sum().backward()
    optimizer.step()
    trained = {name: each.detach().clone() for name, each in model.named_parameters()}
    blocks = drawn_anew.blocks_of(model, [Head(1, 0)], ("qk", "v", "o"))
    drawn_anew.draw(model, 5, blocks, optimizer)
    torch.manual_seed(5)
    new = dict(type(model)(model.config).named_parameters())
    changed = {
        name: int((each != trained[name]).sum()) for name, each in model.named_parameters()
        if not torch.equal(each, trained[name])
    }  # fmt: skip
    # Four blocks of a head of eight dimensions in a model of sixteen.
    assert sum(changed.values()) == 4 * 8 * 16
    assert all(".1." in name and name.endswith("weight") for name in changed)
    for name, each in model.named_parameters():
        other = each != trained[name]
        assert torch.equal(each[other], new[name][other])
        for key in ("exp_avg", "exp_avg_sq"):
            assert (optimizer.state[each][key][other] == 0).all()
    drawn_anew.draw(model, 5, None, optimizer)
    assert all(torch.equal(each, new[name]) for name, each in model.named_parameters())


def test_drawing_weights_anew_leaves_the_random_numbers_of_others():
    model = tiny_model()
    before = torch.get_rng_state()
    drawn_anew.draw(model, 3, None)
    assert torch.equal(before, torch.get_rng_state())


STEPS, BATCH = 12, 8
TARGET = unit_sections.Target(
    name="unit", units=["L1H0"], probe="induction", mode="qkvo", metric="prefix_matching"
)
PROBE = unit_sections.Probe(measure="induction", tokens="repeated", length=6, sequences=4, seed=2)


def prepared(folder):
    """The files that the step reads, of a tiny model after four steps."""
    words = {"<|endoftext|>": 0, **{f"w{n}": n for n in range(1, 20)}}
    reader = Tokenizer(models.WordLevel(words, unk_token="<|endoftext|>"))
    reader.save(str(folder / "tokenizer"))
    rows = np.random.default_rng(4).integers(1, 20, (STEPS * BATCH, 13)).astype(np.uint16)
    files.write_array(folder / "train.npy", rows)
    files.write_array(folder / "held_out.npy", rows[:4])
    labels = np.where(np.arange(len(rows)) % 2, "odd", "even")
    parquet.write_table(folder / "rows", {"row": np.arange(len(rows)), "label": labels})
    order = schedule.base(len(rows), STEPS, BATCH, seed=0)
    order.write(folder / "order")
    model = tiny_model()
    optimizer = adamw.make_optimizer(model, OPTIMIZER)
    cadence = training.Cadence(1, 0, math.inf, folder)
    store = TokenStore(folder / "train.npy")
    trainer = training.Trainer(order, store, None, OPTIMIZER, NUMERICS, lambda _: {}, cadence)
    for number in range(4):
        trainer.update(model, optimizer, number)
    adamw.save_state(folder / "state", model, optimizer)
    files.write_json(folder / "targets", {"targets": {"unit": {"units": ["L1H0"]}}})
    influence = np.random.default_rng(5).normal(size=len(rows))
    parquet.write_table(
        folder / "scores",
        {
            "step": order.step, "row": order.row, "influence": influence,
            "target": np.full(len(rows), "unit"),
        },
    )  # fmt: skip


def study(folder, name):
    attribution = sections.Attribution(
        checkpoint=4, rank_at=4, samples="run", damping=0.1, floor=None, samples_per_shard=100,
        stored_gradients=None,
        fit=sections.Fit(strategy="ekfac", samples=40, samples_per_part=40, seed=0, batch_size=16),
    )  # fmt: skip
    shown = {"seed": 1, "sequences": 4, "length": 6, "held_out_rows": 4, "text": None}
    step.make(
        folder / "state", folder / "tokenizer", folder / "train.npy", folder / "rows",
        folder / "held_out.npy", folder / "state", folder / "order", folder / "targets", folder / "scores",
        [TARGET], {"induction": PROBE}, [], attribution, NUMERICS,
        sections.Window(start=4, stop=STEPS, branch=None), OPTIMIZER, NUMERICS,
        sections.Metrics(**shown, icl=sections.ICL(early=1, late=8)), 0.1, 0.95,
        study_sections.Sanity(samples=30, updates=3, draws=3, seed=0), folder / name,
    )  # fmt: skip
    # What walks keep is gone.
    assert not list(folder.glob("tmp*"))
    return pd.read_csv(folder / name).set_index(["method", "check"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("sanity")
    prepared(made)
    return made


@pytest.fixture(scope="module")
def lines(folder):
    return study(folder, "sanity.csv")


METHODS = {
    "influence": {checks.SAME, checks.OWN, checks.EVERY, checks.CONSTANT, checks.LABELS, checks.EMPTY},
    "trajectory": {checks.OWN, checks.EVERY, checks.CONSTANT, checks.LABELS, checks.MASKED, checks.LATER},
}


def test_every_check_is_made_of_both_methods(lines):
    assert {method: set(part.reset_index()["check"]) for method, part in lines.groupby("method")} == METHODS
    assert lines.loc["influence", "samples"].drop(checks.EMPTY).eq(30).all()
    assert lines.loc[("trajectory", checks.OWN), "samples"] == 3 * BATCH
    # Of each eight rows one is masked, and one update comes after the outcome.
    assert lines.loc[("trajectory", checks.MASKED), "samples"] == 3 * BATCH - 3
    assert lines.loc[("trajectory", checks.LATER), "samples"] == BATCH


@pytest.mark.parametrize(
    "place",
    [
        ("influence", checks.CONSTANT), ("influence", checks.EMPTY), ("trajectory", checks.CONSTANT),
        ("trajectory", checks.MASKED), ("trajectory", checks.LATER),
    ],
)  # fmt: skip
def test_what_cannot_matter_has_a_score_of_exactly_0(lines, place):
    assert lines.loc[place, "value"] == 0
    assert lines.loc[place, "verdict"] == "passes"


def test_models_of_other_weights_have_other_scores(lines):
    for method in METHODS:
        assert (lines.loc[[(method, checks.OWN), (method, checks.EVERY)], "absolute"] < 0.99).all()
    # The scores of the file are no model's.
    assert lines.loc[("influence", checks.SAME), "verdict"] == "fails"


def test_a_method_that_ignores_the_weights_fails(folder, monkeypatch):
    """Nothing is drawn anew, and no row is masked whose tokens change: what must fail does."""
    monkeypatch.setattr(drawn_anew, "draw", lambda *given: None)
    given = by_walk.masked

    def not_masked(stream, before):
        return [dataclasses.replace(each, role=stream.role) for each in given(stream, before)]

    monkeypatch.setattr(by_walk, "masked", not_masked)
    found = study(folder, "ignores.csv")
    for method in METHODS:
        for check in (checks.OWN, checks.EVERY):
            assert found.loc[(method, check), "verdict"] == "fails"
            assert found.loc[(method, check), "value"] == pytest.approx(1)
    assert found.loc[("trajectory", checks.MASKED), "verdict"] == "fails"


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, "yes"),
        ({checks.OWN: "fails", checks.EVERY: "inconclusive"}, "no"),
        ({checks.OWN: "inconclusive"}, "inconclusive"),
    ],
)
def test_a_method_passes_if_every_check_does(changed, verdict):
    mine = pd.DataFrame(
        {"target": "unit", "method": "influence", "check": check, "verdict": changed.get(check, "passes")}
        for check in METHODS["influence"]
    )
    settings = finding.Settings(0.1, 0.95, 10, "evidence", False)
    own, walked = findings.FINDINGS
    found = own.measure({"sanity": mine}, "unit", settings)
    assert finding.verdict(own, found, True) == verdict
    assert (found.value, found.unit) == (6 - len(changed), "of 6 checks passed")
    assert all(check in found.note for check in changed)
    assert walked.measure({"sanity": mine}, "unit", settings) is None


def test_the_figure_tells_the_model_from_draws_among_themselves(lines):
    shown = lines.reset_index()
    figure = figures.draw("sanity", shown, dict.fromkeys(("influence", "trajectory"), "#333333"))
    names = [label.get_text().replace("\n", " ") for label in figure.axes[0].get_yticklabels()]
    assert len(names) == 5 + 4
    assert names.count("two draws") == 4
