"""Goals of many jobs through `snakemake --profile slurm`, and what one that is too small says.

`make test-cluster` runs them, once a change of rules; `make test` does not.
"""

import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
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
    assert process.wait(timeout=5400) == 0, project.output[-6000:]
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
