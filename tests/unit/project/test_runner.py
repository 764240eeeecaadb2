"""The runner and the programs beside the workflow read settings as the workflow does."""

from pathlib import Path

import pytest

import cost
import merged
import pin
import run


@pytest.fixture
def overlay(tmp_path, monkeypatch):
    """Write an overlay in a folder of its own, which is the working one."""
    monkeypatch.chdir(tmp_path)

    def write(text, name="mine.yaml"):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return name

    return write


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("experiment: 1\n", "configuration: 'experiment' is 1: input should be a valid string."),
        ("- experiment: a\n", "mine.yaml: is a list, not keys with values"),
        ("corpus: 3\n", "'corpus' is 3: input should be a valid dictionary"),
        (
            "run: {steps: 9}\nexperiment: a\nrun: {}\n",
            "the key 'run' is there twice, in line 1 and",
        ),
        ("a: \t- x", "mine.yaml, line 1: is not valid YAML"),
        (b"\xff\xfe", "mine.yaml: is not UTF-8 at byte 0"),
        ("model: {architecture: gpt2}\n", "'model.settings': unknown key 'intermediate_size' of gpt2"),
    ],
)
def test_a_wrong_overlay_starts_nothing(overlay, monkeypatch, capsys, tmp_path, text, words):
    monkeypatch.setattr(run, "call", lambda *arguments: pytest.fail("started"))
    name = overlay(text)
    for program, arguments in ((run, ["--configfile", name]), (cost, [name]), (pin, [name])):
        assert program.main(arguments) == 1
        told = capsys.readouterr().err
        assert words in told
        assert told.startswith("error: ")
        assert told.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--configfile", "gone.yaml"],
            "gone.yaml: cannot be read (No such file or directory)",
        ),
        (
            ["--configfile", "a", "--configfile", "b"],
            "--configfile: is given twice, and Snakemake",
        ),
        (["--config", "run={steps: many}"], "'run.steps' is 'many': input should be a valid integer"),
        (["--directory", "x"], "--directory: is not for run.py"),
    ],
)
def test_a_wrong_argument_is_one_sentence(overlay, monkeypatch, capsys, arguments, words):
    monkeypatch.setattr(run, "call", lambda *arguments: pytest.fail("started"))
    assert run.main(arguments) == 1
    assert words in capsys.readouterr().err


def test_the_folder_of_results_is_that_of_the_last_name(overlay):
    names = [overlay("experiment: a\n", "a.yaml"), overlay("experiment: b\n", "b.yaml")]
    assert str(run.results_folder(["--configfile", *names, "-n"])) == "results/b"
    assert str(run.results_folder(["--configfile", *names, "--config", "experiment=c"])) == "results/c"
    assert str(run.results_folder(["--configfile", *names, "--config", "experiment="])) == "results"


def test_gpt2_by_an_overlay_works_with_null(overlay):
    text = "model: {architecture: gpt2, settings: {intermediate_size: null, n_inner: 256}}\n"
    found = merged.configuration([Path(overlay(text))])
    assert found.model.settings["n_inner"] == 256
    assert "intermediate_size" not in found.model.settings


def test_a_number_is_a_number_everywhere(overlay):
    text = "model: {settings: {initializer_range: 1e-3}}\nevidence: {threshold: 2e-1}"
    found = merged.configuration([Path(overlay(text))])
    assert found.model.settings["initializer_range"] == 0.001
    assert found.evidence.threshold == 0.2
