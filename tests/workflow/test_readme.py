"""Recipes of the README that need a run, word for word."""

import json
import re
import subprocess

import numpy as np
import pytest
import readme
import yaml
from project import Project

pytestmark = pytest.mark.slow

WORDS = ["the", "model", "learns", "to", "copy", "what", "it", "has", "seen", "in", "its", "text"]


def test_another_corpus(warm_python, tmp_path):
    """The overlay for one's own text: all jobs are planned, and those of the text are run."""
    project = Project.make(tmp_path / "project", warm_python)
    overlay = readme.block("Another corpus")
    recipe = readme.recipe("Another corpus").replace("\n", " ")
    [command] = re.findall(r"run `.venv/bin/mda run ([^`]+)`", recipe)
    place = command.split()[-1]
    (project.folder / place).parent.mkdir()
    (project.folder / place).write_text(overlay)
    generator = np.random.default_rng(0)
    texts = [" ".join(generator.choice(WORDS, 60)) + f" {number}." for number in range(300)]
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    (project.folder / yaml.safe_load(overlay)["corpus"]["table"]["path"]).write_text(lines)
    whole = ran(project, "-m", "snakemake", "--profile", "profiles/local", "--dry-run", *command.split())
    assert re.search(r"^report +1$", whole, re.MULTILINE)
    done = ran(project, "workflow/mda", "run", *command.split(), "--no-summary", "--until", "tokens")
    assert not re.search("^configuration:", whole + done, re.MULTILINE)
    results = project.results / "mine"
    assert np.load(results / "tokens" / "train.npy").shape[1] == 65
    assert "300 documents; rows left out: none" in (results / "logs" / "corpus.log").read_text()
    assert "of which 0 are unknown (0.00 %)" in (results / "logs" / "tokens.log").read_text()


def ran(project, *arguments):
    done = subprocess.run(
        [project.python, *arguments],
        cwd=project.folder,
        env=project.environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def test_look_inside(finished, monkeypatch):
    monkeypatch.chdir(finished.folder)
    names = {}
    exec(readme.block("Look inside"), names)
    assert names["scores"].groupby("label")["influence"].describe()["count"].sum() == 2 * 8 * 16
