"""Results of a killed workflow's jobs: taken if the same made them, and only whole."""

import importlib
import inspect
import json
import os
import re
import time

import numpy as np
import pyarrow as pa
import pytest
from conftest import tiny_model
from project import ROOT

from mda.attribution import factor_files
from mda.figures import style
from mda.models import model as models
from mda.runtime import cli, files, fingerprints, parquet, restart
from mda.runtime.errors import UserError
from mda.steps.training import order


@pytest.fixture
def record():
    files.set_made_by({"step": "one"})
    yield
    files.set_made_by({})


def outputs(folder):
    parquet.write_table(folder / "a.parquet", pa.table({"x": [1]}))
    files.write_text(folder / "b.csv", "1\n")
    return folder / "a.parquet", folder / "b.csv"


def test_what_the_same_made_is_taken(tmp_path, record):
    made = outputs(tmp_path)
    files.set_aside(made)
    assert not any(path.exists() for path in made)
    assert files.take_up(made)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a.parquet", "b.csv"]
    assert not files.take_up(made)
    assert all(path.exists() for path in made)


def test_what_something_else_made_is_removed(tmp_path, record):
    made = outputs(tmp_path)
    files.set_aside(made)
    files.set_made_by({"step": "two"})
    assert not files.take_up(made)
    assert not list(tmp_path.iterdir())


def test_without_anything_that_says_what_made_it_it_is_made_again(tmp_path, record):
    files.write_text(tmp_path / "b.csv", "1\n")
    files.set_aside([tmp_path / "b.csv"])
    assert not files.take_up([tmp_path / "b.csv"])


def test_a_part_of_the_results_is_not_taken(tmp_path, record):
    first, second = outputs(tmp_path)
    second.unlink()
    files.set_aside((first, second))
    assert first.exists()
    assert not files.take_up((first, second))


def test_a_checkpoint_says_what_made_it(tmp_path, record):
    with files.whole(tmp_path / "step4") as part:
        models.save(tiny_model(), part)
    files.set_aside([tmp_path / "step4"])
    assert files.take_up([tmp_path / "step4"])
    assert (tmp_path / "step4" / "model.safetensors").is_file()


@pytest.mark.parametrize("kind", ["parquet", "json", "safetensors", "png"])
def test_every_format_that_says_what_made_it_is_read(tmp_path, record, kind):
    path = tmp_path / f"a.{kind}"
    if kind == "parquet":
        parquet.write_table(path, pa.table({"x": [1]}))
    elif kind == "json":
        files.write_json(path, {"x": 1})
    elif kind == "png":
        style.save(style.plt.figure(), [path], 50)
    else:
        factor_files.write(path, {"x": np.ones(1, np.float32)})
    assert json.loads(files.made_by_of(path)) == {"step": "one"}
    files.set_aside([path])
    assert files.take_up([path])


def test_a_step_takes_what_it_has_made_before(tmp_path, monkeypatch):
    """Through the command line, twice with the same arguments and once with others."""
    train = tmp_path / "train.npy"
    files.write_array(train, np.zeros((40, 5), np.uint16))
    out = tmp_path / "order.parquet"

    def run(seed):
        cli.run(
            order.order,
            [
                "--train",
                str(train),
                "--steps",
                "4",
                "--batch-size",
                "8",
                "--seed",
                str(seed),
                "--out",
                str(out),
            ],
        )

    run(0)
    before = out.stat().st_ino
    files.set_aside([out])
    run(0)
    assert out.stat().st_ino == before
    files.set_aside([out])
    run(1)
    assert json.loads(files.made_by_of(out))["parameters"]["seed"] == 1
    assert [path.name for path in tmp_path.glob("*order*")] == ["order.parquet"]


class Slurm:
    """What `restart` asks and tells SLURM; what runs ends at the third look."""

    def __init__(self, monkeypatch, jobs):
        self.jobs, self.cancelled, self.looks = list(jobs), [], 0
        self.at_the_end = lambda: None
        monkeypatch.setattr(restart, "_slurm", self)
        monkeypatch.setattr(restart, "POLL_SECONDS", 0)

    def __call__(self, record, program, *arguments):
        if program == "scancel":
            self.cancelled += arguments
            self.jobs = [job for job in self.jobs if job[0] not in arguments]
            return ""
        self.looks += 1
        if self.looks == 3:
            self.at_the_end()
            self.jobs = [job for job in self.jobs if job[2] != "earlier"]
        return "".join("|".join(job) + "\n" for job in self.jobs)


@pytest.fixture
def runs(tmp_path):
    path = tmp_path / "resume" / "slurm-runs"
    files.write_text(path, "earlier\n")
    return path


def test_the_queue_is_emptied_trainings_are_told_and_others_awaited(monkeypatch, runs):
    other = ("5", "PENDING", "another", "rule_corpus")
    slurm = Slurm(
        monkeypatch,
        [
            ("1", "PENDING", "earlier", "rule_corpus"),
            ("2", "RUNNING", "earlier", "rule_retrain_wildcards_base_0"),
            ("3_1", "RUNNING", "earlier", "rule_score_shard_wildcards_0"),
            ("3_2", "PENDING", "earlier", "rule_score_shard_wildcards_0"),
            other,
        ],
    )
    restart.settle(runs, "present", [], 0)
    assert slurm.cancelled == ["1", "2", "3_2"]
    assert slurm.jobs == [other]
    assert runs.read_text() == "present\n"


def test_what_is_finished_while_it_is_awaited_is_set_aside(monkeypatch, runs, tmp_path, record):
    old, new = tmp_path / "old.parquet", tmp_path / "new.parquet"
    parquet.write_table(old, pa.table({"x": [1]}))
    os.utime(old, (0, 0))
    slurm = Slurm(monkeypatch, [("3", "RUNNING", "earlier", "rule_score_shard_wildcards_0")])
    slurm.at_the_end = lambda: parquet.write_table(new, pa.table({"x": [1]}))
    restart.settle(runs, "present", [(old,), (new,), (tmp_path / "never",)], time.time())
    assert old.exists()
    assert not new.exists()
    assert files.take_up([new])


def test_without_an_earlier_run_slurm_is_not_asked(monkeypatch, tmp_path):
    slurm = Slurm(monkeypatch, [])
    restart.settle(tmp_path / "runs", "present", [], 0)
    restart.settle(tmp_path / "others", None, [], 0)
    assert slurm.looks == 0
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_a_run_that_has_finished_leaves_nothing_to_settle(tmp_path, runs):
    restart.over(runs)
    # Results can be taken elsewhere, where there is no SLURM.
    restart.settle(runs, None, [], 0)
    restart.over(runs)


def test_where_slurm_does_not_answer_nothing_is_submitted(monkeypatch, runs):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match=f"squeue fails.* delete {runs}"):
        restart.settle(runs, "present", [], 0)
    assert runs.read_text() == "earlier\n"


def test_a_users_own_probe_belongs_to_what_made_the_scores(tmp_path):
    """Its path stays the same when it is edited."""
    rule = (ROOT / "workflow" / "rules" / "attribution" / "scores.smk").read_text()
    assert 'probe_files="{params.probe_files:q}"' in rule
    own = tmp_path / "own.py"
    own.write_text("x = 1\n")
    step = importlib.import_module("mda.steps.attribution.scores").score
    values = dict.fromkeys(inspect.signature(step).parameters) | {"probe_files": [own]}
    before = cli._record(step, "attribution.scores", values)
    own.write_text("x = 2\n")
    assert cli._record(step, "attribution.scores", values) != before


def test_every_step_says_in_its_last_line_what_it_runs():
    """`mda.runtime.provenance` finds the step by it."""
    for path in map(fingerprints.step_file, fingerprints.steps()):
        last = path.read_text().rstrip().splitlines()[-1]
        assert re.fullmatch(r"    cli\.run\(\w+\)", last), path.name
