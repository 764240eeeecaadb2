"""Mistakes on the command line: one sentence, no traceback, nothing half-made."""

import shutil
import subprocess

import numpy as np
import pytest
from project import Project

pytestmark = pytest.mark.slow


@pytest.fixture
def project(finished, tmp_path):
    return finished.copy(tmp_path / "project")


def fails(project, *arguments):
    done = project.snakemake(*arguments, check=False)
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stdout, done.stdout
    return done.stdout


def test_an_unknown_key_is_told_before_any_job(tmp_path):
    project = Project.make(tmp_path / "project")
    project.configure("run.step", 3)
    output = fails(project)
    assert "configuration: 'run': unknown key 'step'; did you mean 'steps'?" in output
    assert not project.results.exists()


def plain(project, *arguments):
    """Snakemake without a profile, whose definitions look before."""
    command = [project.python, "-m", "snakemake", "--cores", "1", "--dry-run", *arguments]
    environment = project.environment()
    done = subprocess.run(command, cwd=project.folder, env=environment, text=True, capture_output=True)
    told = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Traceback" not in told, told
    return told


def test_settings_that_snakemake_would_lose_are_refused(tmp_path, warm_python):
    project = Project.make(tmp_path / "project", warm_python)
    twice = plain(project, "--configfile", "tiny.yaml", "--configfile", "tiny.yaml")
    assert "--configfile: is given twice, and Snakemake would forget the first" in twice
    (project.folder / "more.yaml").write_text("seed: 1\nrun: {steps: 1}\nrun: {steps: 2}\n")
    said = plain(project, "--configfile", "tiny.yaml", "more.yaml")
    assert "more.yaml, line 3: the key 'run' is there twice, in line 2 and in line 3" in said
    said = fails(project, "--configfile", "tiny.yaml")
    assert "error: --configfile: is given twice" in said
    (project.folder / "config.yaml").unlink()
    said = plain(project, "--configfile", "tiny.yaml")
    assert "config.yaml: cannot be read (No such file or directory)" in said


def test_a_corpus_too_small_for_the_run(project):
    project.configure("corpus.source", "files")
    texts = project.folder / "texts"
    texts.mkdir()
    for name in "abc":
        (texts / f"{name}.txt").write_text("one two three " * 40)
    patterns = [{"label": "text", "glob": "*.txt"}]
    section = {"root": "texts", "patterns": patterns, "exclude": [], "undecodable": "error"}
    project.configure("corpus.files", {**section, "max_characters": 9999})
    output = fails(project)
    assert "the run reads 8 x 16 = 128 rows, but the training store has" in output
    assert "add documents, or lower run.steps or run.batch_size" in output


def test_a_truncated_token_store(project):
    store = project.results / "tokens" / "train.npy"
    store.write_bytes(store.read_bytes()[:-100])
    output = fails(project, "--forcerun", "order", "--until", "order")
    assert "tokens/train.npy: is missing, truncated or no NumPy array" in output


def test_a_checkpoint_that_is_gone(project):
    shutil.rmtree(project.results / "base" / "checkpoints" / "step-000004")
    output = fails(project, "--forcerun", "covariance_part", "--until", "covariance_part")
    assert "step-000004: is no checkpoint" in output
    assert "delete the folder base/checkpoints and run again" in output
    assert not (project.results / "factors" / "covariance" / "0.safetensors").exists()


def test_a_damaged_factor_file(project):
    path = project.results / "factors" / "eigen.safetensors"
    path.write_bytes(path.read_bytes()[:500])
    output = fails(project, "--forcerun", "score_shard", "--until", "score_shard")
    assert "eigen.safetensors: cannot be read" in output


def test_a_vocabulary_that_does_not_match_the_model(project):
    shutil.copytree(project.results / "base" / "checkpoints" / "step-000008", project.folder / "start")
    project.configure("model.checkpoint", "start")
    project.configure("tokens.tokenizer.vocabulary", 60)
    project.configure("corpus.synthetic.words", 50)
    output = fails(project, "--until", "base_run")
    assert "model: has a vocabulary of 22, but the tokenizer has 52 tokens" in output


def test_a_misspelt_setting_of_the_model(project):
    project.configure("model.settings.hidden_sise", 16)
    output = fails(project, "--dry-run")
    said = "'model.settings': unknown key 'hidden_sise' of gpt_neox; did you mean 'hidden_size'?"
    assert said in output


def test_an_own_probe_that_fails(project):
    (project.folder / "own_probe.py").write_text("def previous(model, tokens, heads):\n    return 1.0\n")
    output = fails(project, "--until", "score_shard")
    assert "must return a scalar tensor that depends on the model's parameters" in output


def test_an_own_probe_that_raises_is_told_before_the_training(project):
    """With the line of a helper beside it, and with what is made of it left alone."""
    (project.folder / "helper.py").write_text("def shape(model):\n    return model.layers\n")
    source = "import helper\ndef previous(model, tokens, heads):\n    return helper.shape(model)\n"
    (project.folder / "own_probe.py").write_text(source)
    project.configure("run.optimizer.weight_decay", 0.5)
    output = fails(project, "--until", "base_run")
    assert (
        "error before the step: probe own_probe.py:previous: helper.py, line 2 fails with Attribute" in output
    )
    assert not list(project.results.glob("resume/base/*"))


def test_a_starting_checkpoint_continues_the_model(project):
    """Not a mistake: the run begins where the checkpoint ended."""
    shutil.copytree(project.results / "base" / "checkpoints" / "step-000008", project.folder / "start")
    project.configure("model.checkpoint", "start")
    before = np.load(project.results / "tokens" / "train.npy")
    project.snakemake("--until", "base_run")
    from safetensors.numpy import load_file

    first = load_file(project.results / "base" / "checkpoints" / "step-000000" / "model.safetensors")
    start = load_file(project.folder / "start" / "model.safetensors")
    assert all(np.array_equal(first[name], start[name]) for name in start)
    assert np.array_equal(np.load(project.results / "tokens" / "train.npy"), before)
