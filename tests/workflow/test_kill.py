"""Kills at any stage: the same command completes with the numbers of an unbroken run."""

import filecmp
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from project import Project

pytestmark = pytest.mark.slow

# A file that appears when the stage is at work.
STAGES = {
    "tokens": "logs/tokens.log",
    "base run": "logs/base_run.log",
    "factors": "logs/covariance_part/0.log",
    "scores": "logs/score_shard/0.log",
    "retraining": "logs/retrain/base/seed-0.log",
    "figures": "logs/plot_effects/pair.log",
}
# Files whose bytes follow from the configuration alone.
COMPARED = ("tables/effects.csv", "tables/outcomes.csv", "heads/ranking.csv", "tokens/train.npy")


def start(project: Project) -> subprocess.Popen:
    command = [project.python, "workflow/mda", "run", "--configfile", "tiny.yaml"]
    output = (project.folder / "killed.txt").open("a")
    return subprocess.Popen(
        command,
        cwd=project.folder,
        env=project.environment(),
        stdout=output,
        stderr=output,
        start_new_session=True,
    )


def wait_for(path: Path, process: subprocess.Popen) -> None:
    limit = time.monotonic() + 240
    while not path.exists():
        assert process.poll() is None, "the run ended before the stage began"
        assert time.monotonic() < limit, f"{path} did not appear"
        time.sleep(0.05)


def test_killed_at_every_stage_and_finished(finished, tmp_path):
    project = Project.make(tmp_path / "project", finished.python)
    for stage in STAGES.values():
        process = start(project)
        wait_for(project.results / stage, process)
        time.sleep(0.7)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        # The death of the last of its processes.
        time.sleep(0.3)
    done = project.make_all()
    assert done.returncode == 0, done.stdout[-6000:]
    for name in COMPARED:
        assert filecmp.cmp(project.results / name, finished.results / name, shallow=False), name
    weights = "base/checkpoints/step-000008/model.safetensors"
    assert filecmp.cmp(project.results / weights, finished.results / weights, shallow=False)


def test_two_runs_in_one_folder_do_not_collide(finished, tmp_path):
    project = finished.copy(tmp_path / "project")
    (project.folder / ".snakemake" / "run.lock").unlink()
    process = start(project)
    wait_for(project.folder / ".snakemake" / "run.lock", process)
    time.sleep(0.3)
    second = project.make_all()
    assert second.returncode == 1
    assert "another run is at work in this folder" in second.stdout
    assert process.wait() == 0


def test_the_lock_of_another_snakemake_is_left_alone(finished, tmp_path):
    """Only a lock that a killed run of our own left is taken away."""
    project = finished.copy(tmp_path / "project")
    locks = project.folder / ".snakemake" / "locks"
    (project.results / "tables" / "effects.csv").unlink()
    locks.mkdir(exist_ok=True)
    (locks / "0.output.lock").write_text("results/tables/effects.csv\n")
    done = project.make_all()
    assert done.returncode != 0
    assert "--unlock" in done.stdout
    (project.folder / ".snakemake" / "run.unfinished").touch()
    done = project.make_all()
    assert done.returncode == 0, done.stdout[-3000:]
