"""The step that trains the base model, killed between its saves: the very same files."""

import math
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import NUMERICS, OPTIMIZER
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM

from mda.config import sections, unit_sections
from mda.corpus import encoding
from mda.models import metrics
from mda.models import model as model_module
from mda.runtime import external_files, files, parquet, saves
from mda.runtime.errors import UserError
from mda.steps.training import base_run, retrain
from mda.training import schedule, training

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
WINDOW = sections.Window(start=4, stop=10, branch=None)


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


# Neurons and probes.
NOT_WATCHED = ([], [], {}, [], external_files.NOTHING)


def train(inputs: list[Path], folder: Path, save_seconds: float, watched=NOT_WATCHED) -> None:
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
        *watched,
        save_seconds,
        folder / "resume",
        *outputs,
    )


def test_a_run_watches_the_value_of_a_probe(inputs, tmp_path):
    """Of every checkpoint the value that the probe has of it, and nothing else of the run changes."""
    reader = Tokenizer.from_file(str(inputs[0]))
    encoding.frame(reader, "<|endoftext|>", None)
    reader.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    reader.save(str(inputs[0]))
    path = tmp_path / "p.jsonl"
    path.write_text('{"prompt": "w1 w2 w3 w1", "answer": " w2", "foil": " w4"}\n')
    target = unit_sections.Target(name="asked", units=["L0.mlp"], probe="p", mode="in-out", metric="probe")
    probe = unit_sections.Probe(measure="prompts", path=str(path))
    content = external_files.content([path])
    train(inputs, tmp_path / "with", math.inf, ([], [target], {"p": probe}, [], content))
    train(inputs, tmp_path / "without", math.inf)
    found = parquet.read_table(tmp_path / "with" / "steps.parquet").to_pandas().set_index("step")
    for step in (0, 4, 10):
        model = model_module.load(tmp_path / "with" / "checkpoints" / f"step-{step:06d}", "eager")
        shares = model(torch.tensor([[1, 2, 3, 1]])).logits[0, -1].log_softmax(0)
        assert found["probe asked"][step] == pytest.approx((shares[2] - shares[4]).item(), rel=1e-4)
    assert found["probe asked"].nunique() > 2
    plain = parquet.read_table(tmp_path / "without" / "steps.parquet").to_pandas().set_index("step")
    assert found.drop(columns="probe asked").equals(plain)
    path.write_text('{"prompt": "w1", "answer": " w2"}\n')
    with pytest.raises(UserError, match="has changed since this run was planned"):
        train(inputs, tmp_path / "later", math.inf, ([], [target], {"p": probe}, [], content))


class Killed(Exception):
    pass


def kill_at(step, monkeypatch):
    """Stop the training, as a kill would, just before the update of a step."""
    begin = training.Trainer.begin

    def killing(self, model, optimizer, now):
        if now == step:
            raise Killed
        return begin(self, model, optimizer, now)

    monkeypatch.setattr(training.Trainer, "begin", killing)


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
    saves.accept(tmp_path / "broken" / "resume")
    assert not (tmp_path / "broken" / "resume").exists()


def test_finished_outputs_that_were_deleted_are_there_again_without_training(inputs, tmp_path, monkeypatch):
    """Snakemake deletes the outputs of a job that it does not accept."""
    out = tmp_path / "run"
    train(inputs, out, 0)
    names = ("checkpoints", "state", "steps.parquet", "heads.parquet")
    before = {name: files.digest(out / name) for name in names}
    # Hard links: what is kept takes no room.
    for path in (out / "state" / "model.safetensors", out / "checkpoints" / "step-000010" / "config.json"):
        assert path.stat().st_nlink == 2
    assert [path.name for path in out.glob("resume/*/[!.]*")] == ["finished"]
    shutil.rmtree(out / "state")
    (out / "heads.parquet").unlink()
    kill_at(0, monkeypatch)
    train(inputs, out, 0)
    assert {name: files.digest(out / name) for name in names} == before


@pytest.mark.parametrize("killed", ["finished", "state", "heads.parquet"])
def test_a_kill_while_outputs_are_put_in_place_loses_nothing(inputs, tmp_path, monkeypatch, killed):
    """At the moment that one of them would get its name."""
    train(inputs, tmp_path / "unbroken", math.inf)
    replace, out = os.replace, tmp_path / "broken"

    def killing(source, place):
        if place == out / killed or place.name == killed == saves.FINISHED:
            raise Killed
        replace(source, place)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killing)
        with pytest.raises(Killed):
            train(inputs, tmp_path / "broken", 0)
    train(inputs, tmp_path / "broken", 0)
    for name in ("checkpoints", "state", "steps.parquet", "heads.parquet"):
        assert files.digest(tmp_path / "broken" / name) == files.digest(tmp_path / "unbroken" / name)


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
        [],
        WINDOW,
        2,
        OPTIMIZER,
        NUMERICS,
        METRICS,
        *NOT_WATCHED,
        math.inf,
        tmp_path / "resume",
        tmp_path / "steps.parquet",
        tmp_path / "heads.parquet",
    )
    base = parquet.read_table(tmp_path / "base" / "steps.parquet").to_pandas().query("step > 4")
    branch = parquet.read_table(tmp_path / "steps.parquet").to_pandas().query("step > 4")
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


def changed(folder: Path, change) -> Path:
    """The same checkpoint with its tensors changed in the file."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})
    return folder


ADVICE = (
    "; check model.checkpoint or trace.checkpoints, or, if the run made it, delete the folder and run again"
)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tensors: tensors.pop("gpt_neox.layers.1.mlp.dense_4h_to_h.bias"), "lacks the tensor {}1.mlp"),
        (
            lambda tensors: [tensors.pop(name) for name in list(tensors) if "layers" in name],
            "lacks the tensor {}0.attention.dense.bias",
        ),
        (
            lambda tensors: tensors.update({"embed_out.weight": tensors["embed_out.weight"][:20].clone()}),
            "has the tensor lm_head.weight of shape (20, 32), but config.json makes it (30, 32)",
        ),
        (
            lambda tensors: tensors.update(
                {"gpt_neox.layers.2.mlp.dense.bias": tensors["embed_out.weight"].clone()}
            ),
            "has the tensor {}2.mlp.dense.bias, for which the model of its config.json has no place",
        ),
        (
            lambda tensors: tensors["gpt_neox.layers.1.mlp.dense_h_to_4h.bias"].fill_(torch.nan),
            "has numbers in the tensor {}1.mlp.dense_h_to_4h.bias that are not finite",
        ),
    ],
    ids=["one", "layers", "shape", "more", "nan"],
)
def test_a_checkpoint_of_other_tensors_is_one_sentence(tmp_path, change, words):
    """transformers would fill in random numbers, and drop what config.json does not have."""
    folder = tmp_path / "saved"
    model_module.save(model_module.create(MODEL, None, 30, 16, "eager"), folder)
    changed(folder, change)
    for read in (model_module.load, lambda folder: model_module.create(MODEL, folder, 30, 16, "eager")):
        with pytest.raises(UserError) as caught:
            read(folder)
        assert f"checkpoint {folder}: {words.format('gpt_neox.layers.')}" in str(caught.value)
        assert str(caught.value).endswith(ADVICE)


@pytest.mark.parametrize("name", ["transformer.h.0.attn.masked_bias", "classifier.0.weight"])
def test_what_is_no_weight_of_a_layer_is_passed_over(tmp_path, name):
    """A constant that old versions of transformers stored in GPT-2, and a head that classifies."""
    folder = tmp_path / "saved"
    sizes = {"n_embd": 8, "n_layer": 1, "n_head": 2}
    small = MODEL.model_copy(update={"architecture": "gpt2", "settings": sizes})
    made = model_module.create(small, None, 30, 16, "eager")
    model_module.save(made, folder)
    changed(folder, lambda tensors: tensors.update({name: torch.tensor(-10000.0)}))
    read = model_module.load(folder).state_dict()
    assert all(torch.equal(weight, read[key]) for key, weight in made.state_dict().items())


@pytest.mark.parametrize(
    ("kind", "embedding"), [("gpt2", "transformer.wte.weight"), ("llama", "model.embed_tokens.weight")]
)
def test_a_tied_weight_is_not_missing_unless_both_are(tmp_path, kind, embedding):
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 20}
    settings = AutoConfig.for_model(kind, **sizes, tie_word_embeddings=True)
    made = AutoModelForCausalLM.from_config(settings)
    model_module.save(made, tmp_path / "saved")
    assert "lm_head.weight" not in load_file(tmp_path / "saved" / "model.safetensors")
    loaded = model_module.load(tmp_path / "saved")
    assert loaded.get_input_embeddings().weight is loaded.get_output_embeddings().weight
    with pytest.raises(UserError, match=f"lacks the tensor {embedding};"):
        model_module.load(changed(tmp_path / "saved", lambda tensors: tensors.pop(embedding)))


def test_a_tensor_that_the_model_lacks_does_no_harm(tmp_path):
    """Old checkpoints of GPT-NeoX hold masks and rotary frequencies."""
    import torch

    made = model_module.create(MODEL, None, 30, 16, "eager")
    model_module.save(made, tmp_path / "saved")
    old = {"attention.bias": torch.ones(1, 1, 16, 16), "attention.rotary_emb.inv_freq": torch.ones(4)}
    more = {
        f"gpt_neox.layers.{layer}.{name}": value.clone() for layer in range(2) for name, value in old.items()
    }
    loaded = model_module.load(changed(tmp_path / "saved", lambda tensors: tensors.update(more)))
    for name, weight in made.state_dict().items():
        assert torch.equal(weight, loaded.state_dict()[name])
