"""The command line of a rule, made from the arguments of its step."""

import json
import os
import shlex
import subprocess
import sys

import pytest
from snakemake.iocontainers import Namedlist, Wildcards
from snakemake.utils import format as filled_in

from mda.runtime import fingerprints, provenance
from mda.snakemake import rule_step
from mda.snakemake.rule_step import LISTED, ON_GPU, PYTHON, TRAINING, Step, plain
from mda.steps import listed as listed_step

ODD = ["a b", "it's", 'say "x"', "$HOME", "{brace}", "a;b", "*", "--out"]


def words(text, **parts):
    """The words that a shell reads of a command when Snakemake has filled it in."""
    found = {name: Namedlist(fromdict=parts.get(name, {})) for name in ("input", "output", "params")}
    wildcards = Wildcards(fromdict=parts.get("wildcards", {}))
    resources = Namedlist(fromdict={"gpu": 1, "save_seconds": 60})
    line = filled_in(text, log="the log", resources=resources, wildcards=wildcards, **found)
    return shlex.split(line.replace("\\\n", " "))


@pytest.mark.parametrize("odd", ODD)
def test_every_value_reaches_the_step_as_it_is(odd):
    found = words(
        Step("attribution.lambdas").command(part="{wildcards.part:q}"),
        input={"checkpoint": odd, "train": "t.npy", "schedule": "o", "watched": "t", "eigen": [odd, "b"]},
        params={"fit": f'["{odd}"]', "numerics": "{}"},
        output={"sums": odd},
        wildcards={"part": odd},
    )
    assert found[:3] == ["python", "-m", "mda.steps.attribution.lambdas"]
    assert found[-2:] == [">the log", "2>&1"]
    given = {
        "--checkpoint": [odd],
        "--train": ["t.npy"],
        "--schedule": ["o"],
        "--watched": ["t"],
        "--eigen": [odd, "b"],
        "--fit": [f'["{odd}"]'],
        "--numerics": ["{}"],
        "--part": [odd],
        "--out": [odd],
    }
    assert found[3:-2] == [word for name, values in given.items() for word in (name, *values)]


def test_the_arguments_are_what_results_say_of_themselves():
    text = Step("models.targets").command(out="{output.targets:q}")
    parts = {
        "input": {"scores": "no such table"},
        "params": {"targets": '{"a b": ["L0H0"]}', "rank_at": 4},
        "output": {"targets": "a.json", "ranking": "b.csv"},
    }
    found = provenance.would_be(shlex.join(words(text, **parts)))
    assert found["step"] == "models.targets"
    assert found["inputs"] == {"scores": None}
    assert found["parameters"] == {"targets": {"a b": ["L0H0"]}, "rank_at": 4}


@pytest.mark.parametrize("odd", ODD)
def test_a_list_that_grows_comes_by_standard_input(odd, tmp_path, monkeypatch):
    """What the step gets, and what a result is asked, are those of an ordinary command."""
    (tmp_path / "python").write_text('#!/bin/sh\necho "$*"\ncat\n')
    (tmp_path / "python").chmod(0o755)
    parts = {
        "input": {"targets": odd, "steps": [odd, "b"] * 300, "head_scores": []},
        "params": {"metrics": "{}", "cells": json.dumps([[odd, "x" * 100, 0.1, 3]] * 300)},
        "output": {"curves": "c"},
    }
    found = {name: Namedlist(fromdict=part) for name, part in parts.items()}
    usual, listed = (
        filled_in(Step("evidence.curves").command(start), log="the log", **found)
        for start in (PYTHON, LISTED)
    )
    script = tmp_path / "script.sh"
    script.write_text(listed)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(["bash", str(script)], env=environment, cwd=tmp_path, check=True)
    first, _, given = (tmp_path / "the log").read_text().partition("\n")
    assert first == "-m mda.steps.listed mda.steps.evidence.curves"
    ordinary = shlex.split(usual.replace("\\\n", " "))
    assert listed_step.words(given) == shlex.split(given) == ordinary[3:-2]
    assert shlex.split(plain(listed))[4:] == ordinary[3:]
    assert plain(usual) == usual


def test_what_comes_by_standard_input_reaches_the_step():
    command = [sys.executable, "-m", "mda.steps.listed", "mda.steps.evidence.curves"]
    environment = {**os.environ, "PYTHONPATH": str(fingerprints.PACKAGE.parent)}
    cells = json.dumps([["remove", "x" * 200_000, 0.1, 3]])
    given = f"--targets t --metrics '{{}}' --steps s --head-scores h --cells '{cells}' --out o"
    done = subprocess.run(command, input=given, env=environment, text=True, capture_output=True)
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["error in step 'evidence.curves': s: No such file or directory"]


def test_an_only_output_needs_no_name():
    assert "--out {output:q} \\\n" in Step("training.order").command()
    text = Step("models.targets").command(out="{output.targets:q}")
    assert "--out {output.targets:q} \\\n    --out-ranking {output.ranking:q} \\\n" in text


def test_a_training_takes_the_place_of_the_shell_and_saves_as_the_site_says():
    found = words(
        Step("training.order").command(TRAINING),
        input={"train": "x"},
        params={"steps": 1, "batch_size": 1, "seed": 0},
        output={"out": "y"},
    )
    assert found[:6] == ["exec", "python", "-m", "mda.steps.launch", "1", "mda.steps.training.order"]
    assert Step("training.order").command(ON_GPU).startswith("python -m mda.steps.launch {resources.gpu} ")
    assert "--save-seconds {resources.save_seconds:q}" in Step("training.retrain").command()
    assert "--resume {params.resume:q}" in Step("training.retrain").command()


def test_what_is_checked_first_begins_the_log():
    first, second = Step("config.merged_configuration").command(check_first=True).split("\n", 1)
    assert first == "python -m mda.attribution.checks >{log:q} 2>&1"
    assert second.endswith(" >>{log:q} 2>&1")


def test_an_argument_that_the_step_has_not_is_an_error():
    with pytest.raises(ValueError, match=r"training\.order has no argument rate"):
        Step("training.order").command(rate="{params.rate:q}")


def test_the_code_counts_with_the_users_own(tmp_path):
    own = tmp_path / "own.py"
    own.write_text("x = 1\n")
    step = Step("attribution.scores", (str(own),))
    before = step.code(None)
    assert before != Step("attribution.scores").code(None) == fingerprints.fingerprint("attribution.scores")
    fingerprints._digest.cache_clear()
    rule_step._fingerprint.cache_clear()
    own.write_text("x = 2\n")
    assert step.code(None) != before


def test_where_it_has_been_decided_what_runs_the_code_is_not_read():
    assert Step("attribution.scores", ("no such file",), lambda: True).code(None) == ""
