"""Files from the hub: the real client library against a hub on this machine."""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from conftest import tiny_model
from loopback import Hub
from project import ROOT
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from mda.hub import pickled, pins
from mda.hub.downloads import checkpoint_files
from mda.hub.pins import Pin
from mda.runtime.errors import UserError

MEGABYTE = 10**6
MODEL = "own/model"
STEP = "mda.steps.hub.checkpoint"

# What every program begins with. Waiting is noted, not done.
BEGIN = """
import json, logging, sys, time
from pathlib import Path
waits = []
time.sleep = waits.append
logging.basicConfig(level=logging.INFO)
from mda.hub import downloads, pins
from mda.runtime.errors import UserError

def said(call, *arguments):
    try:
        return f"no error: {call(*arguments)}"
    except UserError as error:
        return str(error)

pin = pins.Pin.model_validate_json(sys.argv[1])
out = Path(sys.argv[2])
answer = {}
"""


@pytest.fixture
def server():
    with Hub() as hub:
        yield hub


class Client:
    """Programs that take the loopback server for the hub, with one cache."""

    def __init__(self, server: Hub, folder: Path) -> None:
        self.server, self.home, self.out = server, folder / "home", folder / "out"

    def environment(self, **more: str) -> dict[str, str]:
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
        paths = {"PYTHONPATH": str(ROOT / "workflow"), "PYTHONDONTWRITEBYTECODE": "1"}
        return {**clean, **paths, **self.server.environment(self.home), **more}

    def python(self, *arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=self.environment(**more),
        )

    def run(self, program: str, pin: Pin, **more: str) -> dict:
        """What the program left in `answer`, and how long it would have waited."""
        end = "\nprint(json.dumps({**answer, 'waits': waits}))"
        done = self.python("-c", BEGIN + program + end, pin.model_dump_json(), self.out, **more)
        assert done.returncode == 0, done.stderr
        return {**json.loads(done.stdout.splitlines()[-1]), "log": done.stderr}

    @property
    def cached(self) -> list[Path]:
        return [path for path in self.home.glob("hub/*/blobs/*") if path.is_file()]


@pytest.fixture
def client(server, tmp_path):
    return Client(server, tmp_path)


def pinned(server: Hub, files: dict[str, bytes], revision: str = "step0", repository: str = MODEL) -> Pin:
    """Files on the server, and their true pin."""
    import hashlib

    commit = server.add("model", repository, revision, files)
    lines = [
        {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in files.items()
    ]
    values = {"kind": "model", "repository": repository, "revision": revision}
    return Pin.model_validate({**values, "commit": commit, "files": lines})


FETCH = "downloads.fetch(pin, None, out)"
SAY = "answer['said'] = said(downloads.fetch, pin, None, out)"


def small(name: str = "a") -> dict[str, bytes]:
    return {"config.json": b'{"x": 1}', f"{name}.safetensors": name.encode() * 5000}


def test_files_arrive_with_their_bytes_and_the_token_stays_with_the_hub(server, client):
    server.token = "hf_secret"
    files = {**small(), "folder/deep.txt": b"deep"}
    pin = pinned(server, files)
    refused = client.run(SAY, pin)
    assert "no such model for everybody (401); check the name, or set HF_TOKEN" in refused["said"]
    done = client.run(FETCH, pin, HF_TOKEN="hf_secret")
    assert {name: (client.out / name).read_bytes() for name in files} == files
    assert not any(path.is_symlink() for path in client.out.rglob("*"))
    content = server.served("/content/")
    assert content and not any(request.authorized for request in content)
    assert "hf_secret" not in done["log"] + refused["log"]
    assert "/content/" not in done["log"]


def test_a_malformed_token_is_not_repeated(server, client):
    pin = pinned(server, small())
    refused = client.run(SAY, pin, HF_TOKEN="hf_secrét")
    assert "HF_TOKEN has a character that no token has; copy it again" in refused["said"]
    assert "hf_secr" not in refused["said"] + refused["log"]


def test_an_interrupted_transfer_goes_on_where_it_was(server, client):
    content = os.urandom(24 * MEGABYTE)
    pin = pinned(server, {"model.safetensors": content})
    server.cut(15 * MEGABYTE, path_contains="/content/")
    client.run(FETCH, pin)
    assert (client.out / "model.safetensors").read_bytes() == content
    first, second = server.served("/content/")
    # The library keeps whole blocks of 10 MiB.
    assert (first.range, first.bytes_sent) == (None, 15 * MEGABYTE)
    assert (second.range, second.status) == (f"bytes={10 * 2**20}-", 206)
    assert second.bytes_sent == len(content) - 10 * 2**20


@pytest.mark.parametrize(
    ("trouble", "waited"),
    [
        (lambda hub: hub.fail(429, 2, "resolve", "HEAD", {"Retry-After": "30"}), [31.0]),
        (lambda hub: hub.fail(503, 2, "resolve", "HEAD"), [1]),
        (lambda hub: hub.fail(503, 1, "/content/", "GET", {"Retry-After": "20"}), [21]),
        (lambda hub: hub.fail(502, 3, "/content/", "GET"), [1, 2, 4]),
        (lambda hub: hub.cut(3000, path_contains="/content/", reset=True), [1]),
        (lambda hub: hub.cut(3000, 2, path_contains="/content/"), [1, 1]),
    ],
    ids=["429", "503 of the hub", "503 of the content", "502 thrice", "reset", "cut twice"],
)
def test_failures_that_pass(server, client, trouble, waited):
    pin = pinned(server, small())
    trouble(server)
    done = client.run(FETCH, pin)
    assert done["waits"] == waited
    assert (client.out / "a.safetensors").read_bytes() == small()["a.safetensors"]


def test_patience_ends(server, client):
    pin = pinned(server, small())
    server.fail(429, 999, "config.json")
    server.fail(500, 999, "/content/")
    done = client.run(
        "answer['slow'] = said(downloads.file, pin, 'config.json')\n"
        "answer['broken'] = said(downloads.file, pin, 'a.safetensors')\n",
        pin,
    )
    assert "too many requests (429); run the same command again in some minutes" in done["slow"]
    assert "a.safetensors: the hub answered 500; run the same command again later" in done["broken"]
    assert client.cached == []


def test_refusals_say_what_to_do(server, client):
    pin = pinned(server, small())
    server.add("model", "own/gated", "main", small())
    server.fail(403, 99, "own/gated/resolve", headers={"X-Error-Code": "GatedRepo"})
    server.fail(403, 99, "own/private")
    done = client.run(
        """
def place(**changes):
    return said(downloads.file, pin.model_copy(update=changes), "config.json")

answer["repository"] = place(repository="own/none")
answer["commit"] = place(commit="0" * 40)
file = pin.files[0].model_copy(update={"name": "gone.json"})
answer["file"] = said(downloads.file, pin.model_copy(update={"files": (file,)}), "gone.json")
answer["unpinned"] = said(downloads.file, pin, "other.json")
answer["gated"] = said(downloads.resolve, "model", "own/gated", "main", ["config.json"])
answer["private"] = place(repository="own/private")
answer["name"] = said(downloads.resolve, "model", "my/own/folder", "main", ["x"])
answer["no repository"] = said(downloads.resolve, "dataset", "own/model", "main", ["x"])
answer["no revision"] = said(downloads.resolve, "model", "own/model", "step9", ["x"])
answer["no file"] = said(downloads.resolve, "model", "own/model", "step0", ["*.npy"])
""",
        pin,
    )
    for key, text in {
        "repository": "own/none at step0, config.json: there is no such model for everybody (404)",
        "commit": f"the hub no longer has commit {'0' * 40}; pin it again: make pin EXPERIMENT=",
        "file": "own/model at step0, gone.json: there is no such file; see the files at http://",
        "unpinned": "own/model at step0: other.json is not pinned; run make pin EXPERIMENT=",
        "gated": f"config.json: is gated; accept its terms at {server.url}/own/gated, and set HF_TOKEN",
        "private": "the hub refuses access (403); set HF_TOKEN to a token that may read it",
        "name": "my/own/folder at main: is neither a folder here nor the name of a repository",
        "no repository": "own/model at main: there is no such dataset for everybody (404); check the name",
        "no revision": "own/model at step9: there is no such revision; see the branches at http://",
        "no file": "own/model at step0: has no file *.npy, but a.safetensors, config.json; mend the name",
    }.items():
        assert text in done[key], key
    assert done["waits"] == []


def test_a_flipped_byte_is_caught(server, client):
    pin = pinned(server, small())
    server.corrupt("/content/", 7, times=1)
    client.run(FETCH, pin)
    assert (client.out / "a.safetensors").read_bytes() == small()["a.safetensors"]

    other = pinned(server, small("b"), repository="own/other")
    server.corrupt("/content/", 7)
    done = client.run(SAY, other)
    assert "own/other at step0, b.safetensors: its SHA-256 is " in done["said"]
    assert f"but {other.file('b.safetensors').sha256} is pinned, also when downloaded again" in done["said"]
    assert not (client.out / "b.safetensors").exists()
    assert other.file("b.safetensors").sha256 not in {path.name for path in client.cached}


def test_a_file_that_is_too_short_on_the_server(server, client):
    pin = pinned(server, small())
    server.shorten("/content/", 100)
    done = client.run(SAY, pin)
    assert "a.safetensors: cannot be downloaded (Consistency check failed" in done["said"]
    assert not (client.out / "a.safetensors").exists()


def test_a_damaged_cache_is_repaired(server, client):
    pin = pinned(server, small())
    client.run(FETCH, pin)
    blob = next(path for path in client.cached if path.stat().st_size == 5000)
    blob.write_bytes(b"a" * 4999 + b"b")
    asked = len(server.requests)
    offline = client.run(SAY, pin, HF_HUB_OFFLINE="1")
    assert "the file in the cache is damaged (its SHA-256 is" in offline["said"]
    assert "run once without HF_HUB_OFFLINE" in offline["said"]
    assert len(server.requests) == asked
    done = client.run(FETCH, pin)
    assert "a.safetensors: its SHA-256 is" in done["log"]
    assert blob.read_bytes() == (client.out / "a.safetensors").read_bytes() == small()["a.safetensors"]
    assert [request.method for request in server.requests[asked:]] == ["HEAD", "GET"]


def test_without_network_the_cache_is_enough(server, client):
    pin, other = pinned(server, small()), pinned(server, small("b"), repository="own/other")
    client.run(FETCH, pin)
    server.close()
    for offline in ("0", "1"):
        again = FETCH + "\nanswer['size'] = downloads.file(pin, 'config.json').stat().st_size"
        done = client.run(again, pin, HF_HUB_OFFLINE=offline)
        assert (done["size"], done["waits"]) == (8, [])
        done = client.run(SAY, other, HF_HUB_OFFLINE=offline)
        reason = "HF_HUB_OFFLINE forbids to ask" if offline == "1" else "cannot be reached; check the network"
        assert f"is not in the cache {client.home / 'hub'}, and " in done["said"]
        assert reason in done["said"]
    done = client.run("answer['said'] = said(downloads.resolve, 'model', 'own/model', 'step0', ['x'])", pin)
    assert f"own/model at step0: {server.url} cannot be reached; check the network" in done["said"]


def test_a_full_disk_is_one_sentence(server, client):
    pin = pinned(server, {"a.safetensors": bytes(9 * MEGABYTE)})
    limit = (
        "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6))\n"
    )
    done = client.run(limit + SAY, pin)
    assert (
        f"the cache {client.home / 'hub'} cannot be written (File too large); free the disk" in done["said"]
    )
    assert client.cached == []


def test_a_revision_that_moved_is_still_fetched_as_pinned(server, client):
    pin = pinned(server, small())
    pinned(server, {"config.json": b"new", "a.safetensors": b"new"})
    client.run(FETCH, pin)
    assert (client.out / "a.safetensors").read_bytes() == small()["a.safetensors"]


SHARDED = ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"]


def test_a_single_pickle_is_taken_where_there_is_no_better():
    names = ["README.md", "config.json", "pytorch_model.bin"]
    assert checkpoint_files([*names, *SHARDED], "x") == ["config.json", "pytorch_model.bin"]
    for others in ([*SHARDED, "pytorch_model.bin.index.json"], ["weights.pt"]):
        with pytest.raises(UserError) as caught:
            checkpoint_files([*names[:2], *others], "own/model at step0")
        assert f"own/model at step0: has its weights only as pickle ({others[0]})" in str(caught.value)
        assert "taken only as a single pytorch_model.bin; choose a revision with model.saf" in str(
            caught.value
        )
    with pytest.raises(UserError, match=r"has no weights \(model.safetensors\)"):
        checkpoint_files(names[:2], "own/model at step0")
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    index = "model.safetensors.index.json"
    assert checkpoint_files([*names, index, *shards], "x") == ["config.json", index, *shards]
    single = ["config.json", "model.safetensors"]
    assert checkpoint_files([*names, index, *shards, *single], "x") == single


@pytest.mark.parametrize("size", ["1GB", "10KB"])
def test_the_step_makes_a_whole_checkpoint(server, client, tmp_path, size):
    model = tiny_model()
    model.save_pretrained(tmp_path / "saved", max_shard_size=size)
    files = {path.name: path.read_bytes() for path in (tmp_path / "saved").iterdir()}
    assert ("model.safetensors" in files) == (size == "1GB")
    pin = pinned(server, {**files, "pytorch_model.bin": b"pickle", "tokenizer.json": b"{}"})
    step = (
        "-m",
        STEP,
        "--repository",
        MODEL,
        "--revision",
        "step0",
        "--out",
        client.out,
    )
    done = client.python(*step, "--pin", pin.model_dump_json())
    assert done.returncode == 0, done.stderr
    assert {path.name for path in client.out.iterdir()} == {*files, "made_by.json"}
    made_by = json.loads((client.out / "made_by.json").read_text())
    assert made_by["parameters"]["pin"]["commit"] == pin.commit
    loaded = AutoModelForCausalLM.from_pretrained(client.out)
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, loaded.state_dict()[name])


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


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
@pytest.mark.parametrize("make", [tiny_model, tied_model], ids=["gpt_neox", "tied gpt2"])
def test_the_step_converts_a_pickle(server, client, tmp_path, make, zipped):
    model = make()
    pin = published_as_pickle(server, model, tmp_path / "saved", dumped(model.state_dict(), zipped))
    done = step(client, pin)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in client.out.iterdir()} == {
        "config.json",
        "model.safetensors",
        "made_by.json",
    }
    loaded = AutoModelForCausalLM.from_pretrained(client.out, use_safetensors=True)
    assert loaded.state_dict().keys() == model.state_dict().keys()
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, loaded.state_dict()[name]), name
    tied = [
        each.get_input_embeddings().weight is each.get_output_embeddings().weight for each in (model, loaded)
    ]
    assert tied == [make is tied_model] * 2


def test_only_tensors_are_converted_whatever_their_layout(tmp_path):
    whole = torch.arange(24.0).reshape(4, 6)
    parts = {"row": whole[1], "column": whole[:, 2], "turned": whole.T, "whole": whole, "half": whole.half()}
    parts["parameter"] = torch.nn.Parameter(whole[2:])
    parts["empty"] = torch.empty(0)
    (tmp_path / "x.bin").write_bytes(dumped({**parts, "epoch": 3, "more": {"a": whole}}))
    pickled.convert(tmp_path / "x.bin", tmp_path / "x.safetensors")
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


@pytest.mark.parametrize("form", ["zip", "before torch 1.6", "bare"])
def test_a_malicious_pickle_is_refused_and_runs_nothing(server, client, tmp_path, monkeypatch, form):
    trap, model = tmp_path / "trap", tiny_model()
    content = {**model.state_dict(), "more": Malicious(trap)}
    bare = pickle.dumps(content["more"], protocol=2)
    pin = published_as_pickle(
        server, model, tmp_path / "saved", bare if form == "bare" else dumped(content, form == "zip")
    )
    # Asks torch to read without restriction.
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    done = step(client, pin)
    assert not trap.exists()
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "pytorch_model.bin: cannot be taken as weights (" in last
    assert "reading it would call posix.mkdir, and only tensors are read" in last
    assert "choose a revision with safetensors weights, or another repository" in last
    assert "Traceback" not in done.stderr
    assert not client.out.exists()
    # The trap works.
    pickle.loads(bare)
    assert trap.exists()


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


def test_a_step_without_pin_or_with_a_missing_shard(server, client):
    index = json.dumps({"weight_map": {"x": "model-00001-of-00001.safetensors", "y": "other.safetensors"}})
    names = ["model-00001-of-00001.safetensors", "model.safetensors.index.json", "config.json"]
    pin = pinned(server, dict(zip(names, [b"weights", index.encode(), b"{}"], strict=True)))
    step = (
        "-m",
        STEP,
        "--repository",
        MODEL,
        "--revision",
        "step0",
        "--out",
        client.out,
    )
    for text, message in {
        "null": "own/model at step0 is not pinned; run make pin EXPERIMENT=experiments/",
        pin.model_dump_json(): "index.json names other.safetensors, which is not among the pinned files",
    }.items():
        done = client.python(*step, "--pin", text)
        assert done.returncode == 1
        assert message in done.stderr
        assert "Traceback" not in done.stderr
        assert not client.out.exists()


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
        return self.client.python("workflow/mda", "pin", self.overlay, "--table", self.table, *options)


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
