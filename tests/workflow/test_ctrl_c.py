"""Ctrl-C at a run on this machine, in a terminal: once, and twice."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from project import BASE_RUN, Project
from terminal import CTRL_C, Terminal

pytestmark = pytest.mark.slow

LOG = "results/logs/base_run.log"


@pytest.fixture(scope="module")
def prepared(warm_python, tmp_path_factory) -> Project:
    """A project in which the base run is next."""
    project = Project.make(tmp_path_factory.mktemp("prepared") / "project", warm_python)
    project.train_longer()
    project.snakemake("--until", "order")
    return project


@pytest.fixture
def project(prepared, tmp_path) -> Iterator[Project]:
    project = prepared.copy(tmp_path / "project")
    yield project
    for process in writers(project):
        os.kill(process, signal.SIGKILL)


def until(true: Callable[[], object], what: str) -> None:
    limit = time.monotonic() + 120
    while not true():
        assert time.monotonic() < limit, what
        time.sleep(0.01)


def writers(project: Project) -> list[int]:
    """The processes that write the training's log."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (place / "fd" / "1").readlink() == project.folder / LOG:
                found.append(int(place.name))
    return found


def log(project: Project) -> str:
    path = project.folder / LOG
    return path.read_text() if path.exists() else ""


def train(project: Project) -> tuple[Terminal, list[int]]:
    """A run whose training is at work: it is stopped, so that the test does not depend on its speed."""
    command = [sys.executable, "workflow/mda", "run", BASE_RUN, "--configfile", "tiny.yaml"]
    run = Terminal(command, project.folder, project.environment(), project.folder / "shown.txt")
    until(lambda: "step 20 of 400" in log(project) or run.process.poll() is not None, "no training began")
    processes = writers(project)
    assert processes, (project.folder / "shown.txt").read_text()
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    return run, processes


def go_on(processes: list[int]) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGCONT)


def ends(project: Project, run: Terminal) -> str:
    """Wait for the end; what was shown."""
    assert run.process.wait(timeout=120) != 0
    until(lambda: not writers(project), "the training goes on")
    shown = (project.folder / "shown.txt").read_text()
    assert "Traceback" not in shown
    return shown


@pytest.mark.parametrize("presses", [pytest.param(1, marks=pytest.mark.rare), 2])
def test_ctrl_c_ends_the_training_which_goes_on_from_its_save(project, presses):
    run, processes = train(project)
    for _ in range(presses):
        run.press(CTRL_C)
        time.sleep(0.5)
    go_on(processes)
    shown = ends(project, run)
    assert "retrain failed" not in shown
    assert not (project.folder / BASE_RUN).exists()
    # The same command completes.
    project.snakemake(BASE_RUN)
    assert int(log(project).split("resumed at step ")[1].split()[0]) >= 20
