"""Downloads from a hub on this machine: transfers that break off, refusals, caches, whole checkpoints."""

from __future__ import annotations

import json
import os

import pytest
import torch
from conftest import tiny_model
from transformers import AutoModelForCausalLM
from unit.hub.client import FETCH, MEGABYTE, MODEL, SAY, SHARDED, STEP, pinned, small

from mda.hub.downloads import checkpoint_files
from mda.runtime.errors import UserError


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
