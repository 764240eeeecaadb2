"""From a hub to the figures: a published checkpoint, published batches, a run that reproduces another."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tables
import torch
import yaml
from loopback import Hub
from project import ROOT, Project
from tokenizers import Tokenizer, models, pre_tokenizers
from torch.nn import functional
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from mda.runtime import warm_python

pytestmark = pytest.mark.slow

WIDTH, BATCH, BATCHES, VOCABULARY = 17, 16, 12, 30


def checkpoint(model: GPTNeoXForCausalLM, folder: Path) -> dict[str, bytes]:
    """The files of a model's repository."""
    model.save_pretrained(folder)
    # What a text spells as w0 is a word like any other, and not the token that ends a document.
    vocabulary = {"<|endoftext|>": 0, **{f"w{n}": n for n in range(1, VOCABULARY)}, "w0": VOCABULARY}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<|endoftext|>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(["<|endoftext|>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    # Real repositories have the same weights as a pickle beside them, which must not be read.
    return {"pytorch_model.bin": b"pickle", **{path.name: path.read_bytes() for path in folder.iterdir()}}


def pythia() -> GPTNeoXForCausalLM:
    """Pythia's shape, small: parallel residual, a quarter rotary, more tokens than the tokenizer has."""
    torch.manual_seed(5)
    settings = GPTNeoXConfig(
        vocab_size=32,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=16,
        rotary_pct=0.25,
        initializer_range=0.1,
    )
    return GPTNeoXForCausalLM(settings)


def train(model: GPTNeoXForCausalLM, stream: np.ndarray, steps: int) -> None:
    """The plainest training on the stream's batches: GPT-NeoX's warm-up, AdamW, clipping."""
    decayed = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in model.parameters() if parameter.ndim == 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95), eps=1e-8)
    for step in range(steps):
        batch = torch.from_numpy(stream[step * BATCH : (step + 1) * BATCH].astype(np.int64))
        loss = functional.cross_entropy(model(batch[:, :-1]).logits.flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = 0.01 * step / 5
        optimizer.step()


@pytest.fixture(scope="module")
def stream() -> np.ndarray:
    generator = np.random.default_rng(0)
    rows = generator.integers(0, VOCABULARY, (BATCH * BATCHES, WIDTH)).astype(np.uint16)
    # Half of the rows repeat themselves.
    rows[::2, 8:16] = rows[::2, :8]
    return rows


@pytest.fixture(scope="module")
def hub(stream, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    model = pythia()
    with Hub() as server:
        server.add("model", "toy/pythia", "step0", checkpoint(model, folder / "step0"))
        for steps in (4, 6):
            model = pythia()
            train(model, stream, steps)
            server.add("model", "toy/pythia", f"step{steps}", checkpoint(model, folder / f"step{steps}"))
        data = stream.tobytes()
        # Cut anywhere, as the published files are: rows lie across the borders.
        cuts = [0, len(data) // 3 + 5, len(data) // 2 + 1, len(data)]
        shards = {
            f"document-{number:05d}-of-00002.bin": data[cuts[number] : cuts[number + 1]]
            for number in range(3)
        }
        server.add("dataset", "toy/pile", "main", shards)
        lines = [" ".join(f"w{token}" for token in row) for row in stream[-40:-16, :11]]
        table = io.BytesIO()
        pq.write_table(pa.table({"text": lines}), table)
        server.add("dataset", "toy/text", "main", {"test.parquet": table.getvalue(), "other.parquet": b"x"})
        yield server


class Published(Project):
    """A project whose configuration is tests/published.yaml."""

    hub_environment: dict[str, str]

    def environment(self) -> dict[str, str]:
        # On the CPU, whatever the machine: two processes would ask for two GPUs.
        return {**super().environment(), **self.hub_environment, "CUDA_VISIBLE_DEVICES": ""}

    def program(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.python, "workflow/mda", name, *arguments],
            cwd=self.folder,
            env=self.environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )


@pytest.fixture(scope="module")
def project(hub, tmp_path_factory) -> Iterator[Published]:
    folder = tmp_path_factory.mktemp("published")
    environment = hub.environment(folder / "home")
    with warm_python.started(folder / "bin", os.environ | environment, now=True) as python:
        made = Published.make(folder / "project", str(python))
        (made.folder / "tiny.yaml").write_text((ROOT / "tests" / "published.yaml").read_text())
        made.hub_environment = environment
        yield made


@pytest.fixture(scope="module")
def done(project) -> Published:
    """The project, pinned and run from nothing to the report."""
    unpinned = project.snakemake(check=False)
    assert unpinned.returncode != 0
    assert "toy/pythia at step0 is not pinned; run make pin" in unpinned.stdout
    pinned = project.program("pin", "tiny.yaml")
    assert pinned.returncode == 0, pinned.stdout
    ran = project.make_all()
    assert ran.returncode == 0, ran.stdout[-6000:]
    return project


def test_the_token_store_is_the_published_stream(done, stream):
    train = np.load(done.results / "tokens" / "train.npy")
    assert np.array_equal(train, stream[: 8 * BATCH])
    assert np.array_equal(np.load(done.results / "tokens" / "held_out.npy"), stream[11 * BATCH :])
    order = pd.read_parquet(done.results / "schedules" / "order.parquet")
    assert order["row"].tolist() == list(range(8 * BATCH))


def test_runs_are_measured_on_the_text(done, stream):
    measured = np.load(done.results / "tokens" / "measured.npy")
    lines = stream[-40:-16, :11].ravel()
    lines[lines == 0] = VOCABULARY
    assert np.array_equal(measured.ravel(), lines[: measured.size])
    assert 0 <= lines.size - measured.size < WIDTH


def test_no_byte_beyond_the_wanted_batches_is_downloaded(done, hub, stream):
    sent = sum(request.bytes_sent for request in hub.requests if ".bin" in request.path)
    assert sent == 9 * BATCH * WIDTH * 2
    assert not any("pytorch_model.bin" in request.path for request in hub.requests)


def test_the_base_run_reproduces_the_published_checkpoint(done):
    """Trained by the plainest loop, measured with the same metrics: the base run has the same numbers."""
    for name, columns in (
        ("steps", ["held_out_loss", "icl_score"]),
        ("heads", ["prefix_matching", "previous_token", "copying"]),
    ):
        base = pd.read_parquet(done.results / "base" / f"{name}.parquet").query("step in (4, 6)")
        other = pd.read_parquet(done.results / "published" / f"{name}.parquet")
        assert base["step"].tolist() == other["step"].tolist()
        assert set(other["step"]) == {4, 6}
        np.testing.assert_allclose(base[columns], other[columns], rtol=1e-4, atol=1e-5)
    losses = pd.read_parquet(done.results / "base" / "steps.parquet")["held_out_loss"]
    assert losses.iloc[-1] < losses.iloc[0] - 0.01


def test_the_windows_samples_are_scored(done):
    scores = pd.read_parquet(done.results / "scores" / "scores.parquet")
    for target, blocks in (("induction-1", ["qk", "v", "o"]), ("neuron", ["in", "out"])):
        mine = scores[scores["target"] == target]
        assert sorted(mine["row"]) == list(range(4 * BATCH, 8 * BATCH))
        assert set(mine["label"]) == {"pile"}
        assert mine["influence"].abs().min() > 0
        np.testing.assert_allclose(mine["influence"], mine[blocks].sum(axis=1), rtol=1e-4, atol=1e-6)
        others = {"qk", "v", "o", "in", "out"} - set(blocks)
        assert mine[list(others)].isna().all(axis=None)


def test_a_neuron_is_watched_in_every_run(done):
    curves = pd.read_parquet(done.results / "tables" / "curves.parquet").query("target == 'neuron'")
    for path in done.results.glob("runs/**/steps.parquet"):
        run = pd.read_parquet(path)
        assert run["activation L1N3"].nunique() > 2
        assert set(run["activation L1N3"]) <= set(curves["score"])


def test_insertions_before_the_window_are_batches_of_their_own(done):
    schedules = done.results / "schedules"
    order = pd.read_parquet(schedules / "orders" / "seed-0.parquet")
    assert order["step"].min() == 2
    inserted = pd.read_parquet(schedules / "branches" / "augment" / "random" / "top-10" / "seed-0.parquet")
    assert (inserted["role"] == "synthetic").all()
    assert set(inserted["step"]) == {3}
    assert inserted.groupby("update").size().to_dict() == {1: 16, 2: 4}
    assert order[order["step"] < 4]["row"].tolist() == list(range(32, 64))


def test_all_branches_begin_alike_and_differ_later(done):
    runs = {
        path.parent.relative_to(done.results / "runs").as_posix(): pd.read_parquet(path).set_index("step")
        for path in done.results.glob("runs/**/steps.parquet")
    }
    assert len(runs) == 7
    assert len({run.loc[2, "held_out_loss"] for run in runs.values()}) == 1
    assert len({run.loc[8, "held_out_loss"] for run in runs.values()}) == 7
    assert (
        runs["augment/random/top-10/seed-0"].loc[4, "held_out_loss"]
        != (runs["base/seed-0"].loc[4, "held_out_loss"])
    )


def test_the_columns_of_published_tables_are_described(done):
    assert "tokens/batches.parquet" not in tables.described(done.results)


def test_figures_show_the_published_checkpoints(done):
    text = re.sub("<[^>]*>", "", (done.results / "report.html").read_text())
    assert "Diamonds are published checkpoints of toy/pythia" in text


def test_checkpoints_say_where_they_come_from(done):
    record = json.loads((done.results / "published" / "step4" / "made_by.json").read_text())
    pin = record["parameters"]["pin"]
    assert pin["repository"] == "toy/pythia"
    assert pin["revision"] == "step4"
    assert len(pin["commit"]) == 40
    assert not (done.results / "published" / "step4" / "pytorch_model.bin").exists()


def test_another_pin_reruns_what_depends_on_it(done):
    assert done.planned() == {}
    table = done.folder / "workflow" / "pins.csv"
    text = table.read_text()
    commit = next(line for line in text.splitlines() if ",step4," in line).split(",")[3]
    table.write_text(text.replace(commit, "0" * 40))
    try:
        made = {"checkpoint", "measure_published", "plot_base_run", "report", "usage"}
        assert set(done.planned()) == {"all", *made}
        # What else is pinned of the same commit changes nothing.
        other = next(line for line in text.splitlines() if ",step0," in line and "config.json" in line)
        table.write_text(text + other.replace("config.json", "tokenizer_config.json") + "\n")
        assert done.planned() == {}
    finally:
        table.write_text(text)


def test_motifs_of_another_experiment_feed_the_augmentation(done):
    """Cross-scale: a second experiment inserts samples with the structure that this one found."""
    motifs = "results/motifs/influence-induction-1/top-10.json"
    named = {"influence-induction-1": motifs, "random": "results/motifs/random/draw-{seed}/top-10.json"}
    overlay = {"experiment": "larger", "experiments": {"augmentation": {"motifs": named}}}
    (done.folder / "larger.yaml").write_text(json.dumps(overlay))
    # Whatever their date is.
    os.utime(done.folder / motifs, (2**32, 2**32))
    wanted = "results/larger/synthetic/influence-induction-1/top-10.npy"
    drawn = "results/larger/synthetic/random/draw-0/top-10.npy"
    made = subprocess.run(
        [*done.command(wanted, drawn, "results/larger/config.yaml"), "larger.yaml"],
        cwd=done.folder,
        env=done.environment(),
        text=True,
        capture_output=True,
    )
    assert made.returncode == 0, made.stderr + made.stdout
    assert not (done.results / "larger" / "motifs").exists()
    written = yaml.safe_load((done.results / "larger" / "config.yaml").read_text())
    assert written["experiments"]["augmentation"]["motifs"] == named
    samples = np.load(done.folder / wanted)
    assert samples.shape == (20, WIDTH)
    patterns = {motif["pattern"] for motif in json.loads((done.folder / motifs).read_text())["motifs"]}
    repeated = [pattern.split() for pattern in patterns]
    numbers = pd.read_parquet((done.folder / wanted).with_suffix(".rows.parquet"))["motif"]
    assert numbers.max() < len(repeated)


def test_two_processes_train_as_one(done):
    """A resource: nothing runs again for it, and what is made again has the same losses."""
    alone = pd.read_parquet(done.results / "base" / "steps.parquet")
    two = ("--set-resources", "base_run:gpu=2")
    assert done.planned(*two) == {}
    done.snakemake("--force", "results/base/steps.parquet", *two)
    assert "training in 2 processes (gloo)" in (done.results / "logs" / "base_run.log").read_text()
    together = pd.read_parquet(done.results / "base" / "steps.parquet")
    np.testing.assert_allclose(alone["held_out_loss"], together["held_out_loss"], rtol=1e-4)


def test_without_a_network_a_warm_cache_is_enough(done, monkeypatch):
    offline = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "1"}
    monkeypatch.setattr(done, "hub_environment", {**done.hub_environment, **offline})
    # The warm one has read where the hub is.
    monkeypatch.setattr(done, "python", sys.executable)
    shutil.rmtree(done.results / "published" / "step0")
    (done.results / "tokens" / "tokenizer.json").unlink()
    done.snakemake("--until", "checkpoint", "tokenizer")
    assert (done.results / "published" / "step0" / "model.safetensors").is_file()
    assert (done.results / "tokens" / "tokenizer.json").is_file()
