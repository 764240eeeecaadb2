"""The shipped overlays: their whole plan, with inputs, before anything is downloaded."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from project import ROOT, Project

pytestmark = pytest.mark.slow


def planned(folder: Path, name: str) -> tuple[str, float]:
    """The dry run of a shipped overlay: what it lists, and its CPU-seconds."""
    project = Project.make(folder / "project")
    overlay = shutil.copy2(ROOT / "experiments" / f"{name}.yaml", project.folder)
    before = os.times()
    done = subprocess.run(
        [*project.command("--dry-run")[:-1], str(overlay)],
        cwd=project.folder,
        env=project.environment(),
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return done.stdout, used


@pytest.mark.parametrize("size", ["14m-quick", "14m", "31m", "70m", "160m"])
def test_the_dry_run_lists_every_job_with_its_inputs_in_seconds(tmp_path, size):
    plan, seconds = planned(tmp_path, f"pythia-{size}")
    # Of CPU time: other tests run beside this.
    assert seconds < 10
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", plan, re.MULTILINE))
    assert int(jobs["retrain"]) == (3 if size == "14m-quick" else 24)
    assert int(jobs["score_shard"]) == {"14m-quick": 4, "14m": 16, "31m": 19, "70m": 16, "160m": 13}[size]
    # Every retraining names the stream that it follows and the state that it starts from.
    for job in re.findall(r"^rule retrain:\n(?:    .*\n)+", plan, re.MULTILINE):
        assert f"results/pythia-{size}/base/state" in job
        assert "schedules/orders/" in job
    assert f"results/pythia-{size}/published/step0" in plan


@pytest.mark.parametrize(("name", "branches"), [("python-packages", 40), ("python-packages-cpu", 16)])
def test_the_plan_of_the_packages_is_made_in_seconds(tmp_path, name, branches):
    plan, seconds = planned(tmp_path, name)
    # Of CPU time. The files that the corpus takes are read for it.
    assert seconds < 20
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", plan, re.MULTILINE))
    assert int(jobs["retrain"]) == branches
    assert int(jobs["score_shard"]) == 1


def test_a_plan_of_800_shards_is_made_in_seconds_and_a_gigabyte(tmp_path):
    """By the SLURM profile, whose dry run needs no SLURM."""
    project = Project.make(tmp_path / "project")
    shutil.copy2(ROOT / "experiments" / "pythia-14m.yaml", project.folder)
    (project.folder / "fine.yaml").write_text("attribution: {samples_per_shard: 1280}\n")
    command = [sys.executable, "-m", "snakemake", "--profile", "slurm", "--dry-run", "--quiet", "rules"]
    with (project.folder / "output.txt").open("w") as output:
        process = subprocess.Popen(
            [*command, "--configfile", "pythia-14m.yaml", "fine.yaml"],
            cwd=project.folder,
            env=project.environment(),
            stdout=output,
            stderr=output,
        )
        _, status, usage = os.wait4(process.pid, 0)
    seconds = usage.ru_utime + usage.ru_stime
    text = (project.folder / "output.txt").read_text()
    assert os.waitstatus_to_exitcode(status) == 0, text[-3000:]
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", text, re.MULTILINE))
    assert int(jobs["score_shard"]) == 800
    assert seconds < 30
    assert usage.ru_maxrss * 1024 < 2**30
