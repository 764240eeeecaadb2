"""`mda provenance`: what made a file, back to where it all began, for every format of results."""

import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from mda.commands import program
from mda.figures import style
from mda.runtime import cli, files, lineage, parquet, provenance
from mda.steps.training import order


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Tokens that no step made, the order that a step made of them, and tables made of that one."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    files.set_made_by({})


def make(name, inputs, write, **parameters):
    """A result of a step that is called `name`."""
    record = cli._record(order.order, "training.order", {**inputs, **parameters})
    files.set_made_by({**record, "step": name})
    write()


@pytest.fixture
def made(project):
    """A chain of results: own.jsonl -> train.npy -> order.parquet -> table.csv, all in folders."""
    own, train, out, table = (
        project / name
        for name in ("own.jsonl", "results/tokens/train.npy", "results/order.parquet", "results/tables/t.csv")
    )
    own.write_text('{"text": "a"}\n')
    relative = {path: path.relative_to(project) for path in (own, train, out, table)}

    def tokens():
        files.write_array(train, np.arange(4))
        provenance.write([relative[train]])

    def end():
        files.write_text(table, "a\n1\n")
        provenance.write([relative[table]])

    make("corpus.tokens", {"corpus": relative[own]}, tokens)
    make(
        "training.order", {"train": relative[train]}, lambda: parquet.write_table(out, {"step": [1]}), seed=7
    )
    make("evidence.effects", {"curves": [relative[out]], "train": relative[train]}, end)
    return own, train, out, table


def told(capsys, *words):
    assert program.main(["provenance", *map(str, words)]) == 0
    return capsys.readouterr().out


def test_the_tree_goes_back_to_the_users_own_file(made, capsys):
    text = told(capsys, "results/tables/t.csv")
    assert "made by step evidence.effects (mda 0." in text
    assert text.partition("\ninputs:\n")[2].splitlines()[:4] == [
        "├─ curves: results/order.parquet (unchanged, by training.order)",
        "│  └─ train: results/tokens/train.npy (unchanged, by corpus.tokens)",
        "│     └─ corpus: own.jsonl (unchanged, made by no step of this workflow)",
        "└─ train: results/tokens/train.npy (unchanged, by corpus.tokens, see above)",
    ]
    assert text.endswith("all 3 files behind it are there, and what they were\n")


def test_what_has_changed_and_what_is_missing_is_said(made, capsys):
    own, _, out, _ = made
    own.write_text("other\n")
    out.unlink()
    text = told(capsys, "results/tables/t.csv")
    assert "curves: results/order.parquet (missing)" in text
    assert "corpus: own.jsonl (changed since, made by no step of this workflow)" in text
    assert "of 3 files behind it: 1 changed since, 1 missing; the rest is what it was" in text


def test_the_depth_is_the_users(made, capsys):
    text = told(capsys, "results/tables/t.csv", "--depth", "1")
    assert "own.jsonl" not in text
    assert "see above" not in text


def test_from_another_folder_and_after_a_move(made, capsys, monkeypatch, tmp_path):
    (tmp_path / "own.jsonl").rename(tmp_path / "results" / "own.jsonl")
    (tmp_path / "results").rename(tmp_path / "moved")
    (tmp_path / "moved" / "results").mkdir()
    for name in ("tokens", "order.parquet", "tables"):
        (tmp_path / "moved" / name).rename(tmp_path / "moved" / "results" / name)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    text = told(capsys, tmp_path / "moved" / "results" / "tables" / "t.csv")
    assert text.endswith("all 3 files behind it are there, and what they were\n")


def test_many_of_a_kind_are_counted_unless_one_differs(project, capsys):
    runs = [project / f"runs/{number}.parquet" for number in range(9)]
    for number, path in enumerate(runs):
        path.parent.mkdir(exist_ok=True)
        make("training.retrain", {}, lambda path=path: parquet.write_table(path, {"step": [1]}), seed=number)
    inputs = {"steps": [path.relative_to(project) for path in runs]}
    make("evidence.curves", inputs, lambda: parquet.write_table(project / "curves.parquet", {"a": [1]}))
    assert "└─ steps: 6 more like these, all unchanged" in told(capsys, "curves.parquet")
    assert told(capsys, "curves.parquet", "--all").count("steps: runs/") == 9
    parquet.write_table(runs[7], {"step": [2]})
    text = told(capsys, "curves.parquet")
    assert "steps: runs/7.parquet (changed since" in text
    assert "5 more like these" in text


FORMATS = {
    "a.parquet": lambda path: parquet.write_table(path, pd.DataFrame({"a": [1]})),
    "a.json": lambda path: files.write_json(path, {"a": 1}),
    "a.npy": lambda path: (files.write_array(path, np.zeros(2)), provenance.write([path])),
    "a.csv": lambda path: (files.write_text(path, "a\n"), provenance.write([path])),
    "folder": lambda path: (
        path.mkdir(), (path / "x").write_text("x"), provenance.write([path])
    ),
    "checkpoint": lambda path: (path.mkdir(), (path / "made_by.json").write_text(files.made_by())),
    "a.html": lambda path: path.write_text(
        f'<meta name="made_by" content="{files.made_by().replace(chr(34), "&quot;")}">'
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_says_what_made_it(project, capsys, name):
    make("some.step", {}, lambda: FORMATS[name](project / name), text='a "(quoted)" \\ word')
    text = told(capsys, name)
    assert "made by step some.step" in text
    assert json.dumps('a "(quoted)" \\ word') in text
    assert "no inputs" in text


def test_figures_say_it_as_png_and_as_pdf(project, capsys):
    from safetensors.numpy import save_file

    def draw():
        style.save(Figure(), [project / "figure.png", project / "figure.pdf"], dpi=50)

    make("figures.heads", {}, draw, text='a "(quoted)" \\ word (')
    for name in ("figure.png", "figure.pdf"):
        assert json.dumps('a "(quoted)" \\ word (') in told(capsys, name)
    save_file({"a": np.zeros(2)}, project / "a.safetensors", metadata={"made_by": files.made_by()})
    assert "figures.heads" in told(capsys, "a.safetensors")


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("gone.csv", None, "gone.csv: there is no such file or folder"),
        ("foreign.csv", "a,b\n", "foreign.csv: does not say what made it"),
        ("broken.parquet", "no table", "broken.parquet: cannot be read"),
    ],
)
def test_what_cannot_be_told_is_one_sentence(project, capsys, name, text, sentence):
    if text is not None:
        (project / name).write_text(text)
    assert program.main(["provenance", name]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"error: {sentence}")
    assert told.count("\n") == 1


def test_a_record_without_places_is_of_an_older_version(project):
    inputs = {"train": {"bytes": 12345, "sha256": "0"}}
    files.set_made_by({"step": "old", "inputs": inputs, "parameters": {}, "packages": {}})
    files.write_json(project / "a.json", {})
    [node] = lineage.trace(project / "a.json").inputs
    assert (str(node.path), node.state) == ("(12,345 bytes)", lineage.MISSING)
