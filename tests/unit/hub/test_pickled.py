"""Weights that are published only as a pickle."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
from pathlib import Path

import pytest
import torch
from conftest import tiny_model
from loopback import Hub
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel
from unit.hub.client import MODEL, STEP, Client, pinned, small

from mda.hub import pickled
from mda.hub.pins import Pin
from mda.runtime.errors import UserError


def dumped(value: object, zipped: bool = True) -> bytes:
    """What torch writes; not zipped, as before version 1.6."""
    stream = io.BytesIO()
    torch.save(value, stream, _use_new_zipfile_serialization=zipped)
    return stream.getvalue()


def published_as_pickle(server: Hub, model: torch.nn.Module, folder: Path, pickled: bytes) -> Pin:
    """A repository of a model with nothing but a pickle for weights, and its pin."""
    model.config.save_pretrained(folder)
    files = {"config.json": (folder / "config.json").read_bytes(), "pytorch_model.bin": pickled}
    return pinned(server, files)


def step(client: Client, pin: Pin) -> subprocess.CompletedProcess[str]:
    """Run the step that makes a checkpoint."""
    options = ("--repository", MODEL, "--revision", "step0", "--out", client.out)
    return client.python("-m", STEP, *options, "--pin", pin.model_dump_json())


def tied_model() -> GPT2LMHeadModel:
    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(vocab_size=20, n_embd=16, n_layer=2, n_head=2, n_positions=16))


def assert_same(folder: Path, model: torch.nn.Module) -> None:
    """A folder holds the checkpoint of this model: its weights, and whether they are tied."""
    loaded = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True)
    assert loaded.state_dict().keys() == model.state_dict().keys()
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, loaded.state_dict()[name]), name
    tied = [
        each.get_input_embeddings().weight is each.get_output_embeddings().weight for each in (model, loaded)
    ]
    assert tied == [isinstance(model, GPT2LMHeadModel)] * 2


def test_the_step_converts_a_pickle(server, client, tmp_path):
    model = tied_model()
    pin = published_as_pickle(server, model, tmp_path / "saved", dumped(model.state_dict()))
    done = step(client, pin)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in client.out.iterdir()} == {
        "config.json",
        "model.safetensors",
        "made_by.json",
    }
    assert_same(client.out, model)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
@pytest.mark.parametrize("make", [tiny_model, tied_model], ids=["gpt_neox", "tied gpt2"])
def test_a_converted_pickle_is_the_same_model(tmp_path, make, zipped):
    model = make()
    model.config.save_pretrained(tmp_path / "out")
    (tmp_path / "x.bin").write_bytes(dumped(model.state_dict(), zipped))
    pickled.convert(tmp_path / "x.bin", tmp_path / "out" / "model.safetensors")
    assert_same(tmp_path / "out", model)


def test_only_tensors_are_converted_whatever_their_layout(tmp_path):
    whole = torch.arange(24.0).reshape(4, 6)
    parts = {"row": whole[1], "column": whole[:, 2], "turned": whole.T, "whole": whole, "half": whole.half()}
    parts["parameter"] = torch.nn.Parameter(whole[2:])
    parts["empty"] = torch.empty(0)
    (tmp_path / "x.bin").write_bytes(dumped({**parts, "epoch": 3, "more": {"a": whole}}))
    pickled.convert(tmp_path / "x.bin", tmp_path / "x.safetensors")
    with safe_open(tmp_path / "x.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}
    found = load_file(tmp_path / "x.safetensors")
    assert found.keys() == parts.keys()
    for name, tensor in parts.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor), name


class Malicious:
    """Makes a file when an ordinary unpickler reads it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


def malicious(form: str, trap: Path) -> bytes:
    """A pickle of a model's weights that makes the folder `trap`, or only of what makes it."""
    content = {**tiny_model().state_dict(), "more": Malicious(trap)}
    return pickle.dumps(content["more"], protocol=2) if form == "bare" else dumped(content, form == "zip")


REFUSED = "reading it would call posix.mkdir, and only tensors are read"


@pytest.mark.parametrize("form", ["zip", "before torch 1.6", "bare"])
def test_a_malicious_pickle_is_refused_and_runs_nothing(tmp_path, monkeypatch, form):
    trap, path = tmp_path / "trap", tmp_path / "x.bin"
    path.write_bytes(malicious(form, trap))
    # Asks torch to read without restriction.
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(UserError, match=REFUSED):
        pickled.convert(path, tmp_path / "x.safetensors")
    assert [file.name for file in tmp_path.iterdir()] == ["x.bin"]
    # The trap works.
    pickle.loads(malicious("bare", trap))
    assert trap.exists()


def test_the_step_says_in_one_sentence_why_it_refuses_a_pickle(server, client, tmp_path, monkeypatch):
    trap = tmp_path / "trap"
    pin = published_as_pickle(server, tiny_model(), tmp_path / "saved", malicious("zip", trap))
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    done = step(client, pin)
    assert not trap.exists()
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "pytorch_model.bin: cannot be taken as weights (" in last
    assert REFUSED in last
    assert "choose a revision with safetensors weights, or another repository" in last
    assert "Traceback" not in done.stderr
    assert not client.out.exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"pickle", "it is damaged, or holds more than tensors"),
        (b"", "it is damaged, or holds more than tensors"),
        (dumped({"a": torch.ones(500)})[:-300], "it is damaged, or holds more than tensors"),
        (dumped([torch.ones(2)]), "it holds a list, not a dictionary of tensors"),
        (dumped({"model": {"a": torch.ones(2)}}), "it holds no tensors by name"),
        (dumped({"a": torch.eye(2).to_sparse()}), "a is no plain tensor"),
    ],
    ids=["text", "empty", "cut", "list", "nested", "sparse"],
)
def test_a_pickle_that_is_no_weights_is_one_sentence(tmp_path, content, reason):
    (tmp_path / "x.bin").write_bytes(content)
    with pytest.raises(UserError) as caught:
        pickled.convert(tmp_path / "x.bin", tmp_path / "x.safetensors")
    assert f"x.bin: cannot be taken as weights ({reason}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["x.bin"]


def test_torch_is_imported_only_for_a_pickle(server, client):
    pin = pinned(server, {**small(), "model.safetensors": b"x"})
    done = client.run(
        "out.mkdir()\ndownloads.checkpoint(pin, out)\nanswer['torch'] = 'torch' in sys.modules", pin
    )
    assert done["torch"] is False
