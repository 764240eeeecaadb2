"""One run at the edge: all documents the same, one label, one seed, hostile words and surroundings."""

import json

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

pytestmark = pytest.mark.slow

# Mathtext, a legend's underscore, a format string, markup, CSV, a formula, a shell, a terminal, not ASCII.
LABEL = "_=1+$\\frac{x$,\"{x}\" {wildcards.target} 'y' <b>&amp; `id` %s \x1b[31mrot größe"
WORDS = "$\\frac{x$ {x} <b> &amp; `id` $(id) '1' \"2\" =1+1 %s %(a)s {{y}} |z| *w* größe ;"
# A notebook inside an allocation of another launcher.
AROUND = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline", "LC_ALL": "C", "PYTHONWARNINGS": "error",
    "RANK": "1", "WORLD_SIZE": "2", "PYTHONHASHSEED": "5",
}  # fmt: skip


@pytest.fixture(scope="module")
def project(finished, tmp_path_factory):
    project = finished.copy(tmp_path_factory.mktemp("edges") / "project")
    path = "my {docs} 'of' \"mine\" $HOME.jsonl"
    line = json.dumps({"words": WORDS, "kind": LABEL})
    (project.folder / path).write_text((line + "\n") * 200, encoding="utf-8")
    project.configure("corpus.source", "jsonl")
    project.configure("corpus.table", {"path": path, "text": "words", "label": "kind"})
    project.configure("experiments.seeds", [0])
    project.configure("run.window", {"start": 7, "stop": 8})
    project.configure(
        "experiments.interventions", [{"kind": "replace", "selections": ["influence", "random", "loss"]}]
    )
    # One of everything.
    project.configure("targets", yaml.safe_load((project.folder / "tiny.yaml").read_text())["targets"][:1])
    project.configure("attribution.samples_per_shard", 1000)
    project.configure("attribution.fit.samples_per_part", 1000)
    studies = {
        "seeds": [0], "dose": None, "controls": None, "datamodel": None,
        "curvature": None, "specificity": None, "time": {"checkpoints": [], "select": False, "swap": False},
    }  # fmt: skip
    for name, study in studies.items():
        project.configure(f"studies.{name}", study)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in AROUND.items():
            patch.setenv(name, value)
        project.snakemake("evidence")
    return project


def test_the_label_is_the_users_own(project):
    rows = pq.read_table(project.results / "tokens" / "train.rows.parquet")
    assert set(rows.column("label").to_pylist()) == {LABEL}
    shares = pd.read_csv(project.results / "figures" / "labels" / "induction-1.csv")
    assert set(shares["label"]) == {LABEL}


def test_equal_scores_are_said_early_and_in_the_findings(project):
    told = "scores are equal"
    assert told in (project.results / "logs" / "scores" / "all.log").read_text()
    found = pd.read_csv(project.results / "evidence" / "findings.csv")
    mine = found[found["target"] == "induction-1"]
    assert mine["note"].str.contains(told).all()
    assert set(mine["verdict"]) == {"cannot be told here"}


def test_pages_show_the_words_as_text(project):
    page = (project.results / "evidence.html").read_text()
    assert "<b>&amp;amp;" not in page
    assert "\x1b" not in page


def test_a_brace_in_the_path_of_an_input_is_one_sentence(finished, tmp_path):
    project = finished.copy(tmp_path / "project")
    (project.folder / "own_probe.py").rename(project.folder / "own {x}.py")
    project.configure("probes.previous-token.measure", "own {x}.py:previous")
    done = project.snakemake("--dry-run", check=False)
    assert done.returncode != 0
    assert "the path own {x}.py has a brace, which Snakemake takes for a wildcard; rename" in done.stdout
    assert "Traceback" not in done.stdout
