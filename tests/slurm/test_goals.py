"""Goals of many jobs through `snakemake --profile slurm`, and what one that is too small says.

`make test-cluster` runs them, once a change of rules; `make test` does not.
"""

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from project import ROOT
from slurm.conftest import ClusterProject
from workflow import test_evidence
from workflow.test_published import hub, stream  # noqa: F401

pytestmark = pytest.mark.cluster

# Every rule of the studies, and the fewest jobs of each.
STUDIES = {
    "studies.seeds": [0],
    "studies.dose": {
        "curves": [{"kind": "duplicate", "selections": ["influence", "random"]}],
        "fractions": [0.1],
    },
    "studies.controls": {"kind": "replace", "selections": ["random", "gradient_norm", "bigram"]},
    "studies.curvature": {
        "strategies": ["identity"],
        "dampings": [],
        "samples": [],
        "seeds": [],
        "exact": {"draws": 2, "compared": 40},
    },
    "studies.datamodel": {"subsets": 4},
    "studies.replications": ["twin", "brother"],
    "studies.contrasts": {
        "experiments": ["twin", "brother"],
        "planned": [{"kind": "replace", "control": "random", "outcome": "formation_step"}],
    },
}


def completes(project: ClusterProject, *arguments: str) -> None:
    """Run from where it is to the goal, with no job that fails."""
    process = project.start(*arguments)
    assert process.wait(timeout=4 * 3600) == 0, project.output[-6000:]
    assert {row["State"] for row in project.accounted()} == {"COMPLETED"}


def test_the_evidence(on_slurm, tmp_path):
    project = on_slurm.copy(tmp_path / "project")
    for name in ("twin", "brother"):
        shutil.copytree(project.results / "tables", project.results / name / "tables")
    for key, value in STUDIES.items():
        project.configure(key, value)
    completes(project, "evidence")
    assert {"control_scores", "gradient_norm", "study_ablation", "study_exact"} <= set(project.counted())
    made = {path.stem for path in (project.results / "evidence").glob("*.csv")}
    assert made == test_evidence.STUDIES | {"effects", "outcomes", "findings"}
    assert project.planned("evidence") == {}


# The fewest steps in which the studies of experiments/evidence.yaml have what they read.
SIZES = {
    "run": {
        "steps": 16,
        "batch_size": 16,
        "checkpoints": [0, 4, 8, 10, 12, 16],
        "evaluate_every": 2,
        "window": {"start": 4, "stop": 16},
        "optimizer": {"warmup_steps": 2},
    },
    "probes": {"induction": {"length": 8, "sequences": 4}, "previous-token": {"length": 16, "sequences": 4}},
    "attribution": {
        "checkpoint": 8,
        "rank_at": 16,
        "samples_per_shard": 128,
        "fit": {"samples": 128, "samples_per_part": 128, "batch_size": 16},
    },
}


def names_of_others(studies: dict) -> set[str]:
    """The other experiments that these studies read."""
    validity = studies["validity"]
    single = {validity["none"], studies["at_once"], studies["larger"]}
    return single | set(validity["corpora"]) | set(studies["replications"])


def take_whole_plan(project: ClusterProject, other: Path) -> None:
    """All studies, orders and cells of `make evidence`; `other` has the results of its other experiments."""
    tiny, plan = (
        yaml.safe_load((ROOT / place).read_text())
        for place in ("tests/tiny.yaml", "experiments/evidence.yaml")
    )
    small = {key: tiny[key] for key in ("corpus", "tokens", "model", "metrics", "figures")}
    small["corpus"]["synthetic"]["documents"] = 600
    (project.folder / "tiny.yaml").write_text(yaml.safe_dump({**small, **SIZES, **plan}))
    # Its labels, in place of those of corpora of known answers.
    project.configure("studies.validity.label", "tiled")
    project.configure("studies.validity.decoy", "prose")
    for name in names_of_others(plan["studies"]):
        for part in ("config.yaml", "tokens", "heads", "scores", "tables"):
            source, place = other / part, project.results / name / part
            place.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, place)


def test_the_whole_plan_of_the_evidence(cluster, run_here, tmp_path):
    """Some 800 jobs, of which each is done once, to the scores of a local run."""
    project = ClusterProject.make(tmp_path / "project", run_here.python).on(cluster)
    take_whole_plan(project, run_here.results)
    planned = project.planned("evidence")
    here = project.copy(tmp_path / "here")
    here.locally("results/scores/scores.parquet")
    completes(project, "evidence")
    done = project.counted()
    assert {"retrain", "intervene", "select", "score_shard", "covariance_part"} <= set(done)
    assert done == Counter({rule: planned[rule] for rule in done})
    name = "scores/scores.parquet"
    mine, other = (pd.read_parquet(results / name) for results in (project.results, here.results))
    pd.testing.assert_frame_equal(mine, other, check_exact=True)
    assert project.planned("evidence") == {}


class Published(ClusterProject):
    """A project whose configuration is tests/published.yaml."""

    def environment(self) -> dict[str, str]:
        return {**super().environment(), **self.hub_environment}

    hub_environment: dict[str, str]


def test_a_published_model(cluster, hub, tmp_path):  # noqa: F811
    # The warm Python of the tests has read where the hub is, and it was another one.
    project = Published.make(tmp_path / "project").on(cluster)
    project.hub_environment = hub.environment(tmp_path / "home")
    (project.folder / "tiny.yaml").write_text((ROOT / "tests" / "published.yaml").read_text())
    pin = [project.python, "workflow/mda", "pin", "tiny.yaml"]
    subprocess.run(pin, cwd=project.folder, env=project.environment(), check=True)
    completes(project)
    assert {"checkpoint", "measure_published", "measured_text", "batches"} <= set(project.counted())
    base, published = (
        pd.read_parquet(project.results / name / "steps.parquet").query("step in (4, 6)")["held_out_loss"]
        for name in ("base", "published")
    )
    np.testing.assert_allclose(base, published, rtol=1e-4)
    assert project.planned() == {}


@pytest.fixture
def to_be_trained(on_slurm, tmp_path) -> ClusterProject:
    """A finished project whose base run is missing."""
    project = on_slurm.copy(tmp_path / "project")
    (project.results / "base" / "steps.parquet").unlink()
    return project


def test_several_gpus_of_a_job(to_be_trained, on_slurm):
    to_be_trained.edit("slurm/config.yaml", "gpus: {base_run: 1,", "gpus: {base_run: 2,")
    completes(to_be_trained, "results/base/steps.parquet")
    [row] = to_be_trained.accounted()
    assert "gres/gpu=2" in row["AllocTRES"]
    # These GPUs are no real ones, so that the processes compute on CPUs.
    assert "training in 2 processes" in (to_be_trained.results / "logs" / "base_run.log").read_text()
    together, alone = (
        pd.read_parquet(project.results / "base" / "steps.parquet")["held_out_loss"]
        for project in (to_be_trained, on_slurm)
    )
    np.testing.assert_allclose(together, alone, rtol=1e-4)


def test_a_job_over_its_memory_says_what_to_do(to_be_trained):
    """In one sentence, and nothing is told of Python."""
    little = ("--retries", "0", "--set-resources", "base_run:mem_mb=250")
    process = to_be_trained.start("results/base/steps.parquet", *little)
    assert process.wait(timeout=600) != 0
    shown = (to_be_trained.folder / "output.txt").read_text()
    assert re.search(
        r"error: base_run failed: SLURM job \d+: out of memory \(it had 250M on gpu1\); run the same command "
        r"again with --set-resources base_run:mem_mb=500, or more; log: ",
        shown,
    )
    assert "Traceback" not in shown
