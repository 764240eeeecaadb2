"""The table of pins, and what writes it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml
from unit.hub.client import FETCH, MODEL, SHARDED, Client, pinned, small

from mda.hub import pins
from mda.runtime.errors import UserError

LINE = f"model,own/model,step0,{'a' * 40},config.json,2,{'b' * 64}\n"


HEAD = ",".join(pins.COLUMNS) + "\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind,repository\n", "the first line must be kind,repository,revision,commit,file,bytes,sha256"),
        (HEAD + LINE.replace("a" * 40, "main"), "line 2: commit is 'main': String should match pattern"),
        (HEAD + LINE.replace("b" * 64, "b" * 63), "line 2: sha256 is 'b"),
        (HEAD + LINE.replace(",2,", ",two,"), "line 2: bytes is 'two'"),
        (HEAD + LINE.replace("config.json", "../config.json"), "line 2: file is '../config.json'"),
        (HEAD + LINE.replace("model,", "space,", 1), "line 2: kind is 'space'"),
        (HEAD + LINE.rsplit(",", 1)[0] + "\n", "line 2: sha256 is None"),
        (HEAD + LINE.strip() + ",more\n", "line 2: extra is"),
        (HEAD + LINE + LINE, "line 3: own/model at step0 has two lines for config.json"),
        (HEAD + LINE + LINE.replace("a" * 40, "c" * 40), "line 3: own/model at step0 has two commits"),
    ],
)
def test_a_malformed_table_is_one_sentence(tmp_path, text, message):
    path = tmp_path / "pins.csv"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        pins.read(path)
    assert message in str(caught.value)


def test_equal_weights_of_two_revisions_are_refused(server, tmp_path):
    first = pinned(server, {"model.safetensors": b"same", "config.json": b"one"}, "step1")
    second = pinned(server, {"model.safetensors": b"same", "config.json": b"two"}, "step2")
    with pytest.raises(UserError, match="own/model has the same weights at step1 and step2: one is a dup"):
        pins.write(tmp_path / "pins.csv", [first, second])
    assert not (tmp_path / "pins.csv").exists()
    other = second.model_copy(update={"repository": "own/other"})
    tokenizers = [pinned(server, {"tokenizer.json": b"{}"}, name, "own/third") for name in ("a", "b")]
    pins.write(tmp_path / "pins.csv", [other, first, *tokenizers])
    assert pins.find("model", MODEL, "step1", tmp_path / "pins.csv") == first.model_copy(
        update={"files": tuple(sorted(first.files, key=lambda file: file.name))}
    )
    assert pins.find("dataset", MODEL, "step1", tmp_path / "pins.csv") is None


def test_the_table_of_the_project_is_well_formed():
    text = pins.TABLE.read_text()
    assert pins.read() is not None
    assert text.startswith(HEAD)


OVERLAY = {
    "experiment": "from-hub",
    "corpus": {
        "source": "tokenized",
        "tokenized": {
            "repository": "own/tokens",
            "revision": "main",
            "format": "binary",
            "files": "document-{number:05d}.bin",
            "first": 0,
            "shards": 2,
            "batch_size": 64,
            "width": 33,
            "held_out": [300, 310],
            "label": "pile",
        },
    },
    "tokens": {"tokenizer": {"kind": "huggingface", "path": MODEL, "revision": "step0"}},
    "model": {"checkpoint": MODEL, "revision": "step0", "published": {60: "step60"}},
}


class Pinning:
    """`make pin` into a table of its own."""

    def __init__(self, client: Client, folder: Path) -> None:
        self.client, self.table, self.overlay = client, folder / "pins.csv", folder / "overlay.yaml"
        self.table.write_text(HEAD)
        self.overlay.write_text(yaml.safe_dump(OVERLAY))

    def __call__(self, *options: str) -> subprocess.CompletedProcess[str]:
        return self.client.python("workflow/pin.py", self.overlay, "--table", self.table, *options)


def test_make_pin_from_configuration_to_table(server, client, tmp_path):
    files = {**small(), "model.safetensors": b"weights", "tokenizer.json": b"{}", "README.md": b"hello"}
    step0 = pinned(server, files)
    pinned(server, {**files, "model.safetensors": b"later"}, "step60")
    shards = {f"document-0000{number}.bin": os.urandom(5000) for number in range(3)}
    server.add("dataset", "own/tokens", "main", shards)
    pin = Pinning(client, tmp_path)
    done = pin()
    assert done.returncode == 0, done.stderr
    assert "pinned    model own/model step0: commit" in done.stdout
    table = {entry.key: entry for entry in pins.read(pin.table)}
    assert set(table["dataset", "own/tokens", "main"].names) == set(list(shards)[:2])
    mine = table["model", MODEL, "step0"]
    assert mine.commit == step0.commit
    assert set(mine.names) == {"config.json", "model.safetensors", "tokenizer.json"}
    assert all(mine.file(name) == step0.file(name) for name in mine.names)
    assert table["model", MODEL, "step60"].weights != mine.weights
    # Of large files the hub knows the hash.
    assert server.served("/content/") == []

    before = pin.table.read_text()
    assert before.splitlines()[1:] == sorted(before.splitlines()[1:])
    assert "nothing to change" in pin().stdout
    assert pin.table.read_text() == before

    pinned(server, {**files, "model.safetensors": b"swapped"})
    done = pin()
    assert done.returncode == 1
    assert f"own/model at step0: is pinned at commit {step0.commit}, but on the hub it is now" in done.stderr
    assert "or take the new one with UPDATE=1" in done.stderr
    assert "Traceback" not in done.stderr
    assert pin.table.read_text() == before
    done = pin("--update")
    assert "changed   model own/model step0" in done.stdout, done.stderr
    assert pin.table.read_text() != before


def test_make_pin_pins_a_single_pickle(server, client, tmp_path):
    server.add("dataset", "own/tokens", "main", {f"document-0000{number}.bin": b"x" for number in range(2)})
    files = {"config.json": b"{}", "pytorch_model.bin": b"weights", "tokenizer.json": b"{}"}
    step0 = pinned(server, {**files, "training_args.bin": b"other"})
    pinned(server, {**files, "pytorch_model.bin": b"later"}, "step60")
    pin = Pinning(client, tmp_path)
    done = pin()
    assert done.returncode == 0, done.stderr
    table = {entry.key: entry for entry in pins.read(pin.table)}
    mine = table["model", MODEL, "step0"]
    assert set(mine.names) == set(files)
    assert mine.file("pytorch_model.bin") == step0.file("pytorch_model.bin")
    assert table["model", MODEL, "step60"].weights != mine.weights != frozenset()
    pinned(server, files, "step60")
    done = pin("--update")
    assert done.returncode == 1
    assert "own/model has the same weights at step0 and step60" in done.stderr


def test_make_pin_refuses_duplicates_and_other_pickles(server, client, tmp_path):
    server.add("dataset", "own/tokens", "main", {f"document-0000{number}.bin": b"x" for number in range(2)})
    files = {"config.json": b"{}", "model.safetensors": b"weights", "tokenizer.json": b"{}"}
    pinned(server, files)
    pinned(server, {**files, "config.json": b"{ }"}, "step60")
    pin = Pinning(client, tmp_path)
    done = pin()
    assert done.returncode == 1
    assert "own/model has the same weights at step0 and step60" in done.stderr
    pinned(server, {"config.json": b"{}", SHARDED[0]: b"pickle", SHARDED[1]: b"more"}, "step60")
    done = pin()
    assert done.returncode == 1
    assert f"own/model at step60: has its weights only as pickle ({SHARDED[0]})" in done.stderr
    assert "Traceback" not in done.stderr
    assert pin.table.read_text() == HEAD


def test_a_damaged_cache_is_not_pinned(server, client):
    pin = pinned(server, small())
    client.run(FETCH, pin)
    blob = next(path for path in client.cached if path.stat().st_size == 8)
    blob.write_bytes(b'{"x": 2}')
    done = client.run(
        "answer['pin'] = downloads.resolve('model', 'own/model', 'step0', ['config.json']).model_dump()", pin
    )
    assert done["pin"]["files"][0]["sha256"] == pin.file("config.json").sha256
    assert blob.read_bytes() == b'{"x": 1}'
