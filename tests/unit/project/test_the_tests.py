"""What the tests rest on: a warm Python does what an ordinary one does, and slow tests are noticed."""

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import budget
import pytest
from budget import Budget

PROGRAM = """
import os, sys
print(os.getcwd(), sys.argv[1:], ascii(os.environ.get("OWN")), sys.stdin.read(), "torch" in sys.modules)
print("said", file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


def run(python, *arguments, folder, **variables):
    return subprocess.run(
        [python, *arguments],
        cwd=folder, env={**os.environ, **variables}, input="in", text=True, capture_output=True,
    )  # fmt: skip


@pytest.mark.parametrize("status", ["0", "3"])
def test_a_warm_python_runs_what_an_ordinary_one_does(warm_python, program, tmp_path, status):
    given = {"folder": tmp_path, "OWN": "a \udcff"}
    warm = run(warm_python, program.name, status, "b c", **given)
    cold = run(sys.executable, program.name, status, "b c", **given)
    assert (warm.returncode, warm.stderr) == (cold.returncode, cold.stderr) == (int(status), "said\n")
    assert warm.stdout.replace("True", "False") == cold.stdout
    # Modules are found as by an ordinary one: in the folder, and by PYTHONPATH.
    for variables, folder in (({}, tmp_path), ({"PYTHONPATH": str(tmp_path)}, tmp_path.parent)):
        assert run(warm_python, "-m", "program", "5", folder=folder, **variables).returncode == 5


def test_a_failure_has_its_traceback(warm_python, tmp_path):
    (tmp_path / "fails.py").write_text("1 / 0\n")
    done = run(warm_python, "fails.py", folder=tmp_path)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


SLEEPS = """
import os, subprocess, sys, time
print(os.getpid(), flush=True)
if len(sys.argv) == 1:
    subprocess.run([sys.executable, "sleeps.py", "inner"])
time.sleep(60)
"""


@pytest.mark.parametrize(("number", "kill"), [(signal.SIGTERM, os.kill), (signal.SIGKILL, os.killpg)])
def test_signals_reach_all_that_a_warm_process_started(warm_python, tmp_path, number, kill):
    (tmp_path / "sleeps.py").write_text(SLEEPS)
    process = subprocess.Popen(
        [warm_python, "sleeps.py"], cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    outer, inner = (int(process.stdout.readline()) for _ in range(2))
    kill(process.pid, number)
    assert process.wait(timeout=10) == -number
    deadline = time.monotonic() + 10
    watched = [outer, inner] if number == signal.SIGKILL else [outer]
    while any(os.path.exists(f"/proc/{one}") for one in watched):  # noqa: PTH110
        assert time.monotonic() < deadline
        time.sleep(0.01)
    if number == signal.SIGTERM:
        os.kill(inner, signal.SIGKILL)


@pytest.fixture
def watched(monkeypatch):
    monkeypatch.setattr(budget, "work", lambda: 2 * budget.REFERENCE)
    return Budget(workers=1)


def test_a_slower_machine_has_more_time(watched):
    assert watched.slowness == 2
    file = "tests/unit/test_x.py"
    report = SimpleNamespace(nodeid=f"{file}::test_y", duration=100.0, when="call")
    watched.pytest_runtest_logreport(report)
    assert watched.over() == []
    watched.pytest_runtest_logreport(report)
    assert watched.over() == [f"{file} took 200 s; a file of unit tests may take 180 s here"]
    # Tests of the whole workflow may take their time, within that of all.
    watched.seconds.clear()
    watched.pytest_runtest_logreport(SimpleNamespace(nodeid="tests/slurm/x.py::y", duration=999, when="call"))
    assert watched.over() == []
    watched.began -= 2 * 1.5 * budget.WHOLE_SECONDS + 1
    assert len(watched.over()) == 1
    session = SimpleNamespace(exitstatus=pytest.ExitCode.OK)
    watched.pytest_sessionfinish(session)
    assert session.exitstatus == pytest.ExitCode.TESTS_FAILED
