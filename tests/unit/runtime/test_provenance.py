"""What results say of what made them, held against what would make them now."""

import json
import shlex
import shutil

import numpy as np
import pytest

from mda.runtime import cli, files, parquet, provenance
from mda.steps.models import targets
from mda.steps.training import order


def command(train, out, seed=0):
    places = f"--train {shlex.quote(str(train))} --out {out}"
    settings = f"--steps 4 --batch-size 8 --seed {seed}"
    launched = "python -m mda.steps.launch 1 mda.steps.training.order"
    return f"\n exec {launched} \\\n {places} \\\n {settings} \\\n >log 2>&1\n"


@pytest.fixture
def made(tmp_path):
    """An input and what a step has made of it."""
    train, out = tmp_path / "a train.npy", tmp_path / "order.parquet"
    files.write_array(train, np.zeros((40, 5), np.uint16))
    words = shlex.split(command(train, out).replace("\\\n", ""))
    cli.run(order.order, words[words.index("mda.steps.training.order") + 1 : words.index(">log")])
    files.set_made_by({})
    return train, out


def test_what_would_be_made_alike_is_current(made, tmp_path):
    train, out = made
    assert provenance.fault(command(*made), [out]) is None
    moved = tmp_path / "b.npy"
    shutil.copyfile(train, moved)
    assert provenance.fault(command(moved, out), [out]) is None


def test_other_settings_inputs_and_code_are_named(made, monkeypatch):
    train, out = made
    assert provenance.fault(command(*made, seed=1), [out]) == "differs in seed"
    files.write_array(train, np.ones((40, 5), np.uint16))
    assert provenance.fault(command(*made), [out]) == "differs in train"
    train.unlink()
    assert provenance.fault(command(*made), [out]) == "differs in train"
    monkeypatch.setattr(provenance.fingerprints, "fingerprint", lambda step: "other")
    assert provenance.fault(command(*made), [out]) == "differs in code, train"


def test_what_is_not_whole_or_does_not_say_is_not_current(made, tmp_path):
    train, out = made
    half = tmp_path / "half.parquet"
    half.write_bytes(out.read_bytes()[:-50])
    assert "Parquet" in provenance.fault(command(train, half), [half])
    silent = tmp_path / "table.csv"
    silent.write_text("anything")
    assert provenance.fault(command(train, silent), [silent]).endswith("table.csv.made_by.json is missing")


SCORES = {
    "step": [1],
    "layer": [0],
    "head": [0],
    "prefix_matching": [0.5],
    "previous_token": [0.5],
    "copying": [0.5],
}


@pytest.fixture
def tabled(tmp_path):
    """A job of a JSON that says what made it and a CSV that does not."""
    scores, out, ranking = (tmp_path / name for name in ("scores.parquet", "targets.json", "ranking.csv"))
    parquet.write_table(scores, SCORES)
    arguments = ["--scores", str(scores), "--rank-at", "1", "--targets", '{"a": ["L0H0"]}']
    arguments += ["--out", str(out), "--out-ranking", str(ranking)]
    cli.run(targets.find, arguments)
    files.set_made_by({})
    return f"python -m mda.steps.models.targets {shlex.join(arguments)} >log", [out, ranking]


def test_a_record_speaks_for_a_table(tabled):
    shell, outputs = tabled
    record = files.read_json(outputs[1].with_name("ranking.csv.made_by.json"))
    assert record["bytes"] == {path.name: path.stat().st_size for path in outputs}
    assert record["made_by"]["step"] == "models.targets"
    assert provenance.fault(shell, outputs) is None
    assert provenance.fault(shell.replace("--rank-at 1", "--rank-at 2"), outputs) == "differs in rank_at"


def test_a_half_copied_table_is_not_whole(tabled):
    shell, outputs = tabled
    outputs[1].write_text(outputs[1].read_text()[:-3])
    assert provenance.fault(shell, outputs) == f"{outputs[1]} is not whole"


def test_a_half_copied_folder_is_not_whole(tmp_path):
    folder = tmp_path / "step0"
    folder.mkdir()
    (folder / "a").write_text("x")
    (folder / "b").write_text("x")
    provenance.write([folder])
    (folder / ".snakemake_timestamp").touch()
    (tmp_path / "step0.made_by.json").read_text()
    assert "is not whole" not in str(provenance.fault("python -m mda.steps.hub.checkpoint", [folder]))
    (folder / "b").unlink()
    assert provenance.fault("python -m mda.steps.hub.checkpoint", [folder]) == f"{folder} is not whole"


def test_a_record_does_not_speak_for_what_a_killed_job_has_left(tabled, monkeypatch):
    shell, outputs = tabled

    def killed(path, text):
        path.write_text(text)
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "write_text", killed)
    words = shlex.split(shell)
    with pytest.raises(KeyboardInterrupt):
        cli.run(targets.find, words[words.index("mda.steps.models.targets") + 1 : -1])
    assert not outputs[1].with_name("ranking.csv.made_by.json").exists()


def test_an_input_whose_name_begins_as_an_output_is_an_input(tmp_path):
    """The samples from outside of the window are inputs of what made a swap."""
    assert not provenance.is_output("outside")
    assert not provenance.is_output("outcomes")
    assert [provenance.is_output(name) for name in ("out", "out_steps")] == [True, True]
    record = cli._record(order.order, "training.order", {"outside": [], "outcomes": tmp_path / "none"})
    assert "outcomes" in record["inputs"]
    assert json.loads(json.dumps(record["parameters"])) == {"outside": []}
