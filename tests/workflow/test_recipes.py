"""Recipes of the documentation that need a run, word for word."""

import json
import re
import subprocess

import numpy as np
import pandas as pd
import pytest
import recipes
import tokenizers
import yaml
from conftest import tiny_model
from project import Project

pytestmark = pytest.mark.slow

WORDS = ["the", "model", "learns", "to", "copy", "what", "it", "has", "seen", "in", "its", "text"]


CORPUS = "docs/how-to/own-corpus.md"


def command_of(page, title):
    """The command that starts a run, without the program."""
    [line] = re.findall(r"^snakemake (.*--configfile .*)$", recipes.section(page, title), re.MULTILINE)
    return line.split()


def write_text(project, overlay):
    """Make up a text where the overlay looks for it."""
    generator = np.random.default_rng(0)
    texts = [" ".join(generator.choice(WORDS, 60)) + f" {number}." for number in range(300)]
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    (project.folder / overlay["corpus"]["table"]["path"]).write_text(lines)


def test_text_as_json_lines(warm_python, tmp_path):
    """The overlay for one's own text: all jobs are planned, and those of the text are run."""
    project = Project.make(tmp_path / "project", warm_python)
    [overlay] = recipes.blocks(CORPUS, "Text as JSON lines")
    command = command_of(CORPUS, "Text as JSON lines")
    place = project.folder / command[-1]
    place.parent.mkdir()
    place.write_text(overlay)
    write_text(project, yaml.safe_load(overlay))
    whole = ran(project, "-m", "snakemake", "--dry-run", *command)
    assert re.search(r"^report +1$", whole, re.MULTILINE)
    # The browsers name the documents of a row.
    for rule in ("sample_browser", "all_samples"):
        assert re.search(rf"rule {rule}:\n +input: .*/corpus/documents\.parquet", whole), rule
    done = ran(project, "-m", "snakemake", *command, "--until", "tokens")
    assert not re.search("^configuration:", whole + done, re.MULTILINE)
    results = project.results / "mine"
    assert np.load(results / "tokens" / "train.npy").shape[1] == 65
    assert "300 documents; rows left out: none" in (results / "logs" / "corpus.log").read_text()
    assert "of which 0 are unknown (0.00 %)" in (results / "logs" / "tokens.log").read_text()


def write_model(folder, context=32):
    """A checkpoint that reads `context` tokens, and a tokenizer of the text's words."""
    words = [*WORDS, *map(str, range(300)), "."]
    vocabulary = {word: number for number, word in enumerate(["<|endoftext|>", "<unk>", *words])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    model = tiny_model()
    model.resize_token_embeddings(len(vocabulary))
    model.config.max_position_embeddings = context
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))


def test_your_own_model(warm_python, tmp_path):
    """The example of the README: a checkpoint is traced on documents with ids."""
    project = Project.make(tmp_path / "project", warm_python)
    example, start = recipes.indented("README.md", "Your own model")
    place = project.folder / start.split()[-1]
    place.parent.mkdir()
    place.write_text(example)
    overlay = yaml.safe_load(example)
    table = overlay["corpus"]["table"]
    texts = [" ".join(np.random.default_rng(number).choice(WORDS, 9)) for number in range(1200)]
    lines = "".join(json.dumps({"id": f"my {n}", "text": text}) + "\n" for n, text in enumerate(texts))
    (project.folder / table["path"]).write_text(lines)
    write_model(
        project.folder / overlay["trace"]["checkpoints"]["final"]["model"], overlay["tokens"]["context"]
    )
    command = start.split("mda run ")[1].split()
    planned = ran(project, "workflow/mda", "run", "-n", *command)
    assert "sample_browser" in planned
    assert "retrain" not in planned
    ran(project, "workflow/mda", "run", "results/mine/scores/documents.parquet", *command)
    found = pd.read_parquet(project.results / "mine" / "scores" / "documents.parquet")
    assert sorted(found["id"]) == sorted(f"my {number}" for number in range(1200))
    assert found["influence"].abs().max() > 0


@pytest.mark.rare
def test_a_checkpoint_that_is_trained_on(warm_python, tmp_path):
    """The example of the page on models: trained for a few steps and scored."""
    project = Project.make(tmp_path / "project", warm_python)
    example, *_ = recipes.blocks("docs/how-to/own-model.md", "A checkpoint")
    place = project.folder / "mine.yaml"
    place.write_text(example)
    overlay = yaml.safe_load(example)
    write_text(project, overlay)
    write_model(project.folder / overlay["model"]["checkpoint"])
    # As many steps as there is text for.
    shorter = project.folder / "shorter.yaml"
    shorter.write_text(yaml.safe_dump(SHORTER))
    command = ["-m", "snakemake", "--profile", "profiles/local", "--configfile", place.name]
    whole = ran(project, *command, "--dry-run")
    assert re.search(r"^report +1$", whole, re.MULTILINE)
    ran(project, *command, shorter.name, "--until", "scores")
    scores = pd.read_parquet(project.results / overlay["experiment"] / "scores" / "scores.parquet")
    assert len(scores) == 8 * 16
    assert scores["influence"].abs().max() > 0


SHORTER = {
    "run": {"steps": 8, "batch_size": 16, "checkpoints": [0, 4, 8], "window": {"start": 2, "stop": 8}},
    "attribution": {"checkpoint": 4, "rank_at": 8, "fit": {"samples": 40}},
    "studies": {"time": None},
}


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
    [block] = recipes.blocks("docs/how-to/own-probe.md", "Look at the result", "python")
    exec(block, names)
    assert names["scores"].groupby("label")["influence"].describe()["count"].sum() == 2 * 8 * 16


def test_the_tables_of_the_tutorial(finished, monkeypatch, capsys):
    """All blocks of Python in which it opens tables."""
    monkeypatch.chdir(finished.folder)
    names = {}
    for block in recipes.blocks("docs/tutorial.md", "5. Open the tables", "python"):
        exec(block, names)
    assert capsys.readouterr().out.strip()
    assert set(names["formation"]["outcome"]) == {"formation_step"}


def test_the_texts_and_the_heads_of_the_tutorial(finished, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-texts").mkdir()
    (tmp_path / "my-texts" / "one.txt").write_text("a text\nof two lines")
    make, look = recipes.blocks("docs/tutorial.md", "7. Use your own text", "python")
    exec(make, {})
    assert json.loads((tmp_path / "mine.jsonl").read_text()) == {"text": "a text\nof two lines"}
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "mine").symlink_to(finished.results)
    exec(look, {})
