"""Results of a killed workflow's jobs: taken if the same made them, and only whole."""

import json
import re
import shlex

import numpy as np
import pyarrow as pa
import pytest
from project import ROOT

from mda import cli, files, fitting, restart
from mda.errors import UserError
from mda.steps import order


@pytest.fixture
def record():
    files.set_made_by({"step": "one"})
    yield
    files.set_made_by({})


def outputs(folder):
    files.write_table(folder / "a.parquet", pa.table({"x": [1]}))
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


@pytest.mark.parametrize("kind", ["parquet", "json", "safetensors"])
def test_every_format_that_says_what_made_it_is_read(tmp_path, record, kind):
    path = tmp_path / f"a.{kind}"
    if kind == "parquet":
        files.write_table(path, pa.table({"x": [1]}))
    elif kind == "json":
        files.write_json(path, {"x": 1})
    else:
        fitting.write(path, {"x": np.ones(1, np.float32)})
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
    """What `restart` asks and tells SLURM."""

    def __init__(self, monkeypatch, states):
        self.states, self.calls = dict(states), []
        monkeypatch.setattr(restart, "_slurm", self)
        monkeypatch.setattr(restart, "POLL_SECONDS", 0)

    def __call__(self, *command):
        if command[0] == "scancel":
            self.calls.append(command)
            for number in command[1:]:
                del self.states[number]
            return ""
        text = "".join(f"{number}|{state}\n" for number, state in self.states.items())
        self.calls.append(command[0])
        # What still runs ends after a look.
        if self.calls.count("squeue") > 2:
            self.states = {key: value for key, value in self.states.items() if key == "other"}
        return text


def test_the_queue_is_emptied_trainings_are_told_and_others_awaited(monkeypatch):
    states = {"1": "PENDING", "2_1": "RUNNING", "3": "RUNNING", "other": "RUNNING"}
    slurm = Slurm(monkeypatch, states)
    jobs = [
        restart.Unrecorded(number, rule, ())
        for number, rule in (("1", "corpus"), ("2_1", "retrain"), ("3", "score_shard"), ("4", "tokens"))
    ]
    restart.settle(jobs)
    assert [call for call in slurm.calls if call != "squeue"] == [("scancel", "1", "2_1")]
    assert slurm.states == {"other": "RUNNING"}


def test_without_an_earlier_run_slurm_is_not_asked(monkeypatch):
    slurm = Slurm(monkeypatch, {})
    restart.settle([])
    assert slurm.calls == []


def test_where_slurm_does_not_answer_nothing_is_submitted(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match="may still work here, but squeue fails"):
        restart.settle([restart.Unrecorded("1", "corpus", ())])


def test_results_without_a_record_are_vouched_for_by_what_they_say(tmp_path):
    train, out = tmp_path / "a train.npy", tmp_path / "order.parquet"
    files.write_array(train, np.zeros((40, 5), np.uint16))

    def command(seed):
        places = f"--train {shlex.quote(str(train))} --out {out}"
        settings = f"--steps 4 --batch-size 8 --seed {seed}"
        return f"\n exec python -m mda.launch 1 mda.steps.order {places} {settings} >log 2>&1"

    words = shlex.split(command(0))
    cli.run(order.order, words[words.index("mda.steps.order") + 1 : words.index(">log")])
    files.set_made_by({})
    restart.vouch(command(0), [out])
    with pytest.raises(UserError, match="not by the present settings and code; delete them"):
        restart.vouch(command(1), [out])
    files.write_array(train, np.ones((40, 5), np.uint16))
    with pytest.raises(UserError, match="delete them"):
        restart.vouch(command(0), [out])


def test_every_step_says_in_its_last_line_what_it_runs():
    """`would_be_made_by` finds the step by it."""
    for path in (ROOT / "workflow" / "mda" / "steps").glob("[a-z]*.py"):
        last = path.read_text().rstrip().splitlines()[-1]
        assert re.fullmatch(r"    cli\.run\(\w+\)", last), path.name
