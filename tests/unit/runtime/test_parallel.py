"""Two processes that train or walk back together, held against one; killed, and given a bad setting."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from project import ROOT
from tokenizers import Tokenizer, models

from mda.runtime import files
from mda.training import schedule

STEPS = 60
BRANCH = 4
MODEL = {
    "architecture": "gpt_neox",
    "seed": 0,
    "checkpoint": None,
    "revision": None,
    "published": {},
    "settings": {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
    },
}
OPTIMIZER = {
    "learning_rate": 0.01,
    "schedule": "constant",
    "warmup_steps": 2,
    "decay_steps": None,
    "minimum_ratio": 0.1,
    "betas": [0.9, 0.95],
    "epsilon": 1e-8,
    "weight_decay": 0.1,
    "clip": 1.0,
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    generator = np.random.default_rng(0)
    vocabulary = {"<|endoftext|>": 0, **{f"w{n}": n for n in range(1, 30)}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<|endoftext|>"))
    tokenizer.add_special_tokens(["<|endoftext|>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    files.write_array(folder / "train.npy", generator.integers(1, 30, (STEPS * 7, 17)).astype(np.uint16))
    files.write_array(folder / "held.npy", generator.integers(1, 30, (8, 17)).astype(np.uint16))
    stream = schedule.base(STEPS * 7, STEPS, 7, seed=0)
    # One step with a single row, which leaves the second process without any.
    single = (stream.step != 5) | (stream.slot == 0)
    stream = schedule.Schedule(
        *(c[single] for c in (stream.step, stream.update, stream.slot, stream.row, stream.role))
    )
    stream.write(folder / "order.parquet")
    return folder


@pytest.fixture(scope="module", autouse=True)
def python(warm_python) -> Iterator[None]:
    """All processes are warm ones, those that the launcher starts too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", warm_python)
        yield


def shared(inputs: Path, out: Path, save_seconds: float, **optimizer) -> dict[str, object]:
    """Arguments of trainings and of walks."""
    return {
        "tokenizer": inputs / "tokenizer.json",
        "train": inputs / "train.npy",
        "held-out": inputs / "held.npy",
        "schedule": inputs / "order.parquet",
        "evaluate-every": 2,
        "optimizer": json.dumps({**OPTIMIZER, **optimizer}),
        "numerics": json.dumps(
            {"attention": "eager", "training": "fp32", "attribution": "fp32", "acceleration": "auto"}
        ),
        "metrics-settings": json.dumps(
            {
                "seed": 0,
                "sequences": 4,
                "length": 8,
                "held_out_rows": 8,
                "text": None,
                "icl": {"early": 2, "late": 14},
            }
        ),
        "probe-settings": "{}",
        "save-seconds": save_seconds,
        "resume": out / "resume",
    }


def launched(processes: int, step: str, none: list[str], given: dict[str, object]) -> list[str]:
    """The command line of a step; the arguments `none` have nothing."""
    line = [part for key, value in given.items() for part in (f"--{key}", str(value))]
    empty = [f"--{key}" for key in none]
    return [sys.executable, "-m", "mda.steps.launch", str(processes), f"mda.steps.{step}", *empty, *line]


def command(inputs: Path, out: Path, processes: int, save_seconds: float = 1e9, **optimizer) -> list[str]:
    given = shared(inputs, out, save_seconds, **optimizer) | {
        "model": json.dumps(MODEL),
        "steps": STEPS,
        "checkpoints": f"[0, {STEPS}]",
        "branch-at": BRANCH,
        "neurons": "[]",
        "watched": "[]",
        "probe-content": "none",
        "out-checkpoints": out / "checkpoints",
        "out-state": out / "state",
        "out-steps": out / "steps.parquet",
        "out-heads": out / "heads.parquet",
    }
    return launched(processes, "training.base_run", ["start", "text", "probe-files"], given)


def walk_command(inputs: Path, state: Path, out: Path, processes: int) -> list[str]:
    """A walk back through the first updates from where branches begin."""
    asked = {"name": "loss", "measure": "held_out_loss", "target": None, "when": "mean", "step": None}
    settings = {"orders": [], "base_run": True, "outcomes": [asked], "keep_every": None}
    files.write_json(out / "targets.json", {"targets": {}})
    given = shared(inputs, out, 1e9) | {
        "state": state,
        "targets": out / "targets.json",
        "window": json.dumps({"start": BRANCH, "stop": BRANCH + 6, "branch": None}),
        "settings": json.dumps(settings),
        "target-settings": "[]",
        "keep-every": 2,
        "out": out / "scores.parquet",
        "out-curves": out / "curves.parquet",
    }
    return launched(processes, "attribution.trajectory", ["synthetic", "probe-files"], given)


def start(line: list[str]) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "workflow"),
        "OMP_NUM_THREADS": "1",
        # A machine with a single GPU has to pass too.
        "CUDA_VISIBLE_DEVICES": "",
    }
    return subprocess.Popen(
        line,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def finish(line: list[str]) -> str:
    process = start(line)
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output[-3000:]
    return output


@pytest.fixture(scope="module")
def two(inputs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    assert "training in 2 processes (gloo)" in finish(command(inputs, folder, 2))
    return folder


def test_two_processes_give_the_losses_of_one(inputs, two, tmp_path):
    assert "training in" not in finish(command(inputs, tmp_path, 1))
    alone, together = (pd.read_parquet(folder / "steps.parquet") for folder in (tmp_path, two))
    assert alone["step"].tolist() == together["step"].tolist() == list(range(0, STEPS + 1, 2))
    for column in ("train_loss", "held_out_loss"):
        np.testing.assert_allclose(alone[column], together[column], rtol=2e-4)
    assert alone["held_out_loss"].nunique() > 3


def test_two_processes_give_the_scores_of_one(inputs, two, tmp_path):
    """By the step and its launcher, in float32; tests/unit/attribution/test_trajectory.py has float64."""
    found = []
    for processes in (1, 2):
        out = tmp_path / str(processes)
        out.mkdir()
        said = finish(walk_command(inputs, two / "state", out, processes))
        assert ("training in 2 processes (gloo)" in said) == (processes == 2)
        found.append([pd.read_parquet(out / f"{name}.parquet") for name in ("scores", "curves")])
    (alone, curves), (together, others) = found
    assert alone.drop(columns="score").equals(together.drop(columns="score"))
    assert len(alone) == 5 * 7 + 1
    largest = alone["score"].abs().max()
    assert largest > 0
    np.testing.assert_allclose(alone["score"], together["score"], rtol=0, atol=1e-2 * largest)
    np.testing.assert_allclose(curves["value"], others["value"], rtol=1e-5)
    np.testing.assert_allclose(curves["derivative"], others["derivative"], rtol=1e-2)


def test_two_killed_processes_go_on_to_the_very_same_files(inputs, two, tmp_path):
    line = command(inputs, tmp_path, 2, save_seconds=0)
    process = start(line)
    deadline = time.monotonic() + 200
    while not list(tmp_path.glob("resume/*/step-*")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    # The launcher gives each process a session of its own.
    subprocess.run(["pkill", "-9", "-f", str(tmp_path)], check=False)
    process.communicate()
    assert not (tmp_path / "steps.parquet").exists()
    assert "resumed at step" in finish(line)
    for name in ("checkpoints", "state"):
        assert files.digest(tmp_path / name) == files.digest(two / name)


def test_two_processes_that_are_told_to_end_save_first(inputs, two, tmp_path):
    """SIGTERM to the launcher alone, or, as SLURM does it, to all."""
    line = command(inputs, tmp_path, 2)
    process = start(line)
    log = ""
    while "step 2 of" not in log:
        log += process.stdout.readline()
    process.terminate()
    log += process.communicate(timeout=120)[0]
    assert process.returncode == 1
    assert "whose state is safe" in log
    assert "Traceback" not in log, log
    assert list(tmp_path.glob("resume/*/step-*"))
    assert "resumed at step" in finish(line)
    for name in ("checkpoints", "state"):
        assert files.digest(tmp_path / name) == files.digest(two / name)


def test_a_bad_setting_is_a_sentence_and_no_traceback(inputs, tmp_path):
    process = start(command(inputs, tmp_path, 2, learning_rate=1e30))
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 1
    assert "error in step 'training.base_run'" in output
    assert "training diverged: the loss of step" in output
    assert "Traceback" not in output, output
