"""Only what changed runs again: the exact jobs for each kind of change."""

import os
import re
import shutil
import time
from collections import Counter

import pytest

pytestmark = pytest.mark.slow

PLOTS_OF_CURVES = {"plot_emergence": 2, "plot_icl": 2, "report": 1, "usage": 1}
PLOTS_OF_STUDIES = {"plot_study_enrichment": 1, "plot_study_stream": 1}
PLOTS_OF_RUNS = {**PLOTS_OF_CURVES, "plot_effects": 2, "plot_study_coupling": 1}
EVIDENCE = {"curves": 1, "effects": 1, "study_coupling": 1, "findings": 1, **PLOTS_OF_RUNS}
# New scores reach the selections by influence and the branches made of them, and no control.
RESCORED = {
    "score_shard": 3,
    "scores": 1,
    "token_influence": 1,
    "sample_browser": 1,
    "all_samples": 1,
    "select": 2,
    "intervene": 4,
    "retrain": 4,
    "plot_influence": 2,
    "plot_labels": 2,
    "plot_samples": 2,
    "study_enrichment": 1,
    "study_stream": 1,
    "study_tail": 1,
    **PLOTS_OF_STUDIES,
    **EVIDENCE,
}
ALWAYS = {"merged_configuration": 1, "report": 1, "all": 1}


@pytest.fixture
def project(finished, tmp_path):
    return finished.copy(tmp_path / "project")


def test_nothing(project):
    assert project.planned() == Counter()


def test_logs_and_benchmarks_may_be_removed(project):
    shutil.rmtree(project.results / "logs")
    for path in (project.results / "benchmarks").rglob("*.jsonl"):
        path.unlink()
    assert project.planned() == Counter()


def test_a_touch_of_every_source_file(project):
    later = time.time() + 60
    for path in project.folder.rglob("*"):
        inside = path.relative_to(project.folder).parts
        if path.is_file() and inside[0] not in ("results", ".snakemake"):
            os.utime(path, (later, later))
    assert project.planned() == Counter()


def test_comments_in_the_code(project):
    project.edit(
        "workflow/mda/training/training.py",
        "        model.train()\n",
        "        # Now.\n        model.train()\n",
    )
    assert project.planned() == Counter()


def test_the_colour_of_a_figure(project):
    project.configure("figures.palette", {"random": "#000000"})
    plots = {**PLOTS_OF_RUNS, "plot_base_run": 2, **PLOTS_OF_STUDIES}
    assert project.planned() == Counter({**plots, **ALWAYS})


def test_a_fraction_added(project):
    project.configure("selection.fractions", [0.1, 0.2])
    # By influence on two targets and two draws at random, which make samples too.
    assert project.planned() == Counter(
        {"select": 4, "motifs": 2, "synthesize": 2, "intervene": 8, "retrain": 8, **EVIDENCE, **ALWAYS}
    )


def test_a_seed_added(project):
    project.configure("experiments.seeds", [0, 1, 2])
    # With a draw at random of its own.
    drawn = {"select": 1, "motifs": 1, "synthesize": 1}
    assert project.planned() == Counter(
        {**drawn, "reorder": 1, "intervene": 4, "retrain": 5, **EVIDENCE, **ALWAYS}
    )


def test_the_code_of_the_probes(project):
    project.edit(
        "workflow/mda/attribution/probes.py",
        "length = tokens.shape[1] // 2",
        "length = tokens.shape[1] // 2 + 0",
    )
    assert project.planned() == Counter({**RESCORED, "all": 1})


def test_the_users_own_probe(project):
    project.edit("own_probe.py", "return sum(", "return 2 * sum(")
    assert project.planned() == Counter({**RESCORED, "all": 1})


def test_the_threshold_of_formation(project):
    project.configure("evidence.threshold", 0.2)
    made = {"effects": 1, "findings": 1, "plot_effects": 2, "plot_emergence": 2}
    coupled = {"study_coupling": 1, "plot_study_coupling": 1}
    assert project.planned() == Counter({**made, **coupled, "usage": 1, **ALWAYS})


def test_the_damping(project):
    project.configure("attribution.damping", 0.5)
    assert project.planned() == Counter({**RESCORED, **ALWAYS})


def test_the_time_between_saves(project):
    assert project.planned() == Counter()
    project.edit("workflow/rules/training.smk", "SAVE_SECONDS = 60", "SAVE_SECONDS = 30")
    assert project.planned() == Counter()


def test_the_seed_of_the_corpus(project):
    project.configure("corpus.synthetic.seed", 1)
    assert project.planned() == project.planned("--forceall")
    assert project.planned()["retrain"] == 10


def test_a_change_is_carried_out_and_done(project):
    """The plan above is what runs, and afterwards nothing is left to do."""
    project.configure("figures.palette", {"random": "#000000"})
    output = project.snakemake().stdout
    assert re.search(r"^14 jobs done in ", output, re.MULTILINE), output
    assert project.planned() == Counter()
