"""The step that trains the base model, killed between its saves: the very same files."""

import math
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models
from transformers import AutoConfig, AutoModelForCausalLM

from mda import files, metrics, schedule, sections, training
from mda import model as model_module
from mda.errors import UserError
from mda.steps import base_run, retrain

MODEL = sections.Model(
    architecture="gpt_neox",
    seed=0,
    checkpoint=None,
    revision=None,
    published={},
    settings={"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64},
)
METRICS = sections.Metrics(
    seed=0, sequences=4, length=8, held_out_rows=8, text=None, icl=sections.ICL(early=2, late=14)
)
OPTIMIZER = sections.Optimizer(
    learning_rate=0.01,
    schedule="constant",
    warmup_steps=2,
    decay_steps=None,
    minimum_ratio=0.1,
    betas=(0.9, 0.95),
    epsilon=1e-8,
    weight_decay=0.01,
    clip=1.0,
)
WINDOW = sections.Window(start=4, stop=10, branch=None)
NUMERICS = sections.Numerics(attention="eager", training="fp32", attribution="fp32")


@pytest.fixture
def inputs(tmp_path):
    generator = np.random.default_rng(0)
    vocabulary = {"<|endoftext|>": 0, **{f"w{n}": n for n in range(1, 30)}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<|endoftext|>"))
    tokenizer.add_special_tokens(["<|endoftext|>"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    files.write_array(tmp_path / "train.npy", generator.integers(1, 30, (90, 17)).astype(np.uint16))
    files.write_array(tmp_path / "held.npy", generator.integers(1, 30, (8, 17)).astype(np.uint16))
    schedule.base(90, 10, 8, seed=0).write(tmp_path / "order.parquet")
    names = ("tokenizer.json", "train.npy", "held.npy", "order.parquet")
    return [tmp_path / name for name in names]


def train(inputs: list[Path], folder: Path, save_seconds: float) -> None:
    outputs = [folder / name for name in ("checkpoints", "state", "steps.parquet", "heads.parquet")]
    base_run.train(
        *inputs[:3],
        [],
        inputs[3],
        [],
        MODEL,
        10,
        [0, 4, 10],
        WINDOW.origin,
        2,
        OPTIMIZER,
        NUMERICS,
        METRICS,
        [],
        save_seconds,
        folder / "resume",
        *outputs,
    )


class Killed(Exception):
    pass


def kill_at(step, monkeypatch):
    """Stop the training, as a kill would, just before the update of a step."""
    update = training.Trainer.update

    def killing(self, model, optimizer, now):
        if now == step:
            raise Killed
        return update(self, model, optimizer, now)

    monkeypatch.setattr(training.Trainer, "update", killing)


@pytest.mark.parametrize("step", [1, 5, 9])
def test_a_killed_base_run_gives_the_very_same_files(inputs, tmp_path, monkeypatch, caplog, step):
    train(inputs, tmp_path / "unbroken", math.inf)
    with monkeypatch.context() as patch:
        kill_at(step, patch)
        with pytest.raises(Killed):
            train(inputs, tmp_path / "broken", 0)
    assert not (tmp_path / "broken" / "state").exists()
    with caplog.at_level("INFO"):
        train(inputs, tmp_path / "broken", 0)
    assert f"resumed at step {step}" in caplog.text
    for name in ("checkpoints", "state"):
        assert files.digest(tmp_path / "broken" / name) == files.digest(tmp_path / "unbroken" / name)
    for name in ("steps.parquet", "heads.parquet"):
        assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "unbroken" / name).read_bytes()
    assert not (tmp_path / "broken" / "resume").exists()


def test_a_branch_of_the_unchanged_order_is_the_base_run(inputs, tmp_path):
    """The state at the window's start is the whole state: the branch repeats the run bit for bit."""
    train(inputs, tmp_path / "base", math.inf)
    schedule.Schedule.read(inputs[3]).between(4, 10).write(tmp_path / "branch.parquet")
    retrain.retrain(
        *inputs[:3],
        [],
        tmp_path / "base" / "state",
        tmp_path / "branch.parquet",
        [],
        WINDOW,
        2,
        OPTIMIZER,
        NUMERICS,
        METRICS,
        [],
        math.inf,
        tmp_path / "resume",
        tmp_path / "steps.parquet",
        tmp_path / "heads.parquet",
    )
    base = files.read_table(tmp_path / "base" / "steps.parquet").to_pandas().query("step > 4")
    branch = files.read_table(tmp_path / "steps.parquet").to_pandas().query("step > 4")
    assert base.to_dict("list") == branch.to_dict("list")


def test_dropout_is_refused():
    wrong = MODEL.model_copy(update={"settings": {**MODEL.settings, "hidden_dropout": 0.1}})
    with pytest.raises(UserError, match=r"hidden_dropout is 0\.1, but runs can only be compared without"):
        model_module.create(wrong, None, 30, 16, "eager")


@pytest.mark.parametrize("settings", [{"hidden_size": "many"}, {"hidden_act": "foo"}])
def test_settings_that_make_no_model_are_one_sentence(settings):
    wrong = MODEL.model_copy(update={"settings": {**MODEL.settings, **settings}})
    with pytest.raises(UserError, match=r"model\.settings: no model can be made of them"):
        model_module.create(wrong, None, 30, 16, "eager")


def test_a_model_computes_the_same_after_saving(tmp_path):
    """Made and loaded models run the same attention, so that losses are equal to the bit."""
    import torch

    made = model_module.create(MODEL, None, 30, 16, "eager").eval()
    model_module.save(made, tmp_path / "saved")
    loaded = model_module.load(tmp_path / "saved").eval()
    rows = torch.randint(0, 30, (32, 17))
    assert torch.equal(metrics.token_losses(made, rows), metrics.token_losses(loaded, rows))


def test_any_published_checkpoint_must_be_large_enough(tmp_path):
    small = AutoConfig.for_model("gpt_neox", vocab_size=20, **MODEL.settings, max_position_embeddings=8)
    AutoModelForCausalLM.from_config(small).save_pretrained(tmp_path / "small")
    with pytest.raises(UserError, match="has a vocabulary of 20, but the tokenizer has 30 tokens"):
        model_module.create(MODEL, tmp_path / "small", 30, 8, "eager")
    with pytest.raises(UserError, match=r"reads at most 8 tokens, but tokens\.context is 16"):
        model_module.create(MODEL, tmp_path / "small", 20, 16, "eager")


def test_the_icl_score_is_measured_on_the_text_and_the_loss_on_held_out_rows(tmp_path):
    generator = np.random.default_rng(0)
    held, text = (generator.integers(1, 30, (8, 17)).astype(np.uint16) for _ in range(2))
    files.write_array(tmp_path / "text.npy", text)
    model = model_module.create(MODEL, None, 30, 16, "eager")
    vocabulary = np.arange(1, 30)
    place = next(model.parameters()).device
    plain = metrics.Evaluator(METRICS, held, vocabulary, place)(model)
    both = metrics.Evaluator(METRICS, held, vocabulary, place, text=[tmp_path / "text.npy"])(model)
    other = metrics.Evaluator(METRICS, text, vocabulary, place)(model)
    assert both["held_out_loss"] == plain["held_out_loss"] != other["held_out_loss"]
    assert both["icl_score"] == other["icl_score"] != plain["icl_score"]
