"""A warm Python does what an ordinary one does."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mda.runtime import warm_python

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


def test_a_python_that_has_a_gpu_open_does_not_fork(tmp_path):
    """Children of a process that has called a GPU's driver cannot call it."""
    (tmp_path / "0").symlink_to("/dev/null")
    # Loaded, or asked by NVML and closed again.
    (tmp_path / "3").symlink_to("/usr/lib/libcuda.so.1")
    assert not warm_python.holds_gpu(tmp_path)
    (tmp_path / "4").symlink_to("/dev/nvidiactl")
    assert warm_python.holds_gpu(tmp_path)
    assert not warm_python.holds_gpu()


@pytest.mark.parametrize("status", ["0", "3"])
def test_it_runs_what_an_ordinary_one_does(warm_python, program, tmp_path, status):
    given = {"folder": tmp_path, "OWN": "a \udcff"}
    warm = run(warm_python, program.name, status, "b c", **given)
    cold = run(sys.executable, program.name, status, "b c", **given)
    assert (warm.returncode, warm.stderr) == (cold.returncode, cold.stderr) == (int(status), "said\n")
    assert warm.stdout.replace("True", "False") == cold.stdout
    # Modules are found as by an ordinary one: in the folder, and by PYTHONPATH.
    for variables, folder in (({}, tmp_path), ({"PYTHONPATH": str(tmp_path)}, tmp_path.parent)):
        assert run(warm_python, "-m", "program", "5", folder=folder, **variables).returncode == 5
    # Not in the folder where the environment forbids it.
    safe = [run(python, "-m", "program", "5", folder=tmp_path, PYTHONSAFEPATH="1").returncode
            for python in (warm_python, sys.executable)]  # fmt: skip
    assert safe == [1, 1]


def test_what_a_fork_cannot_do_an_ordinary_process_does(warm_python, program):
    def forked(*arguments, **variables):
        return "True" in run(warm_python, *arguments, folder=program.parent, **variables).stdout

    assert forked(program.name, "0")
    # Its libraries have one thread, and always will.
    assert not forked(program.name, "0", OMP_NUM_THREADS="2")
    assert not forked("-c", "import sys; print('torch' in sys.modules)")


def test_a_failure_has_its_traceback(warm_python, tmp_path):
    (tmp_path / "fails.py").write_text("1 / 0\n")
    done = run(warm_python, "fails.py", folder=tmp_path)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


def test_jobs_are_ordinary_until_the_packages_are_imported_and_after_the_server_has_ended(tmp_path):
    (tmp_path / "program.py").write_text("import sys; print('wave' in sys.modules)\n")

    def forked(python):
        done = run(python, "program.py", folder=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout == "True\n"

    # A folder's name may be anything, and long.
    with warm_python_in(tmp_path / "it's a folder" / ("long" * 40)) as python:
        assert not forked(python)
        deadline = time.monotonic() + 20
        while not forked(python):
            assert time.monotonic() < deadline
    assert not forked(python)


def warm_python_in(folder):
    return warm_python.started(folder, os.environ, ["wave"])


STARTS = """
import os, pathlib, sys, time
from mda.runtime import warm_python
with warm_python.started(pathlib.Path(sys.argv[1]), os.environ, ["wave"]) as python:
    print(python, flush=True)
    time.sleep(60)
"""


def test_the_server_ends_with_what_started_it_also_by_a_kill(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(Path(warm_python.__file__).parents[2])}
    folder = tmp_path / "folder"
    with subprocess.Popen(
        [sys.executable, "-c", STARTS, str(folder)], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        [server] = servers(folder)
        process.kill()
    deadline = time.monotonic() + 10
    while servers(folder):
        assert time.monotonic() < deadline, server
        time.sleep(0.01)


def servers(folder):
    """Processes that serve this folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = place.read_bytes().split(b"\0")
        except OSError:
            continue
        if warm_python.__file__.encode() in words and str(folder).encode() in words:
            found.append(int(place.parent.name))
    return found


SLEEPS = """
import os, subprocess, sys, time
print(os.getpid(), flush=True)
if len(sys.argv) == 1:
    subprocess.run([sys.executable, "sleeps.py", "inner"])
time.sleep(60)
"""


def sleeping(python, folder, **streams):
    """A process with one inside, and the numbers of both."""
    (folder / "sleeps.py").write_text(SLEEPS)
    process = subprocess.Popen(
        [python, "sleeps.py"],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **streams,
    )
    return process, [int(process.stdout.readline()) for _ in range(2)]


@pytest.mark.parametrize(("number", "kill"), [(signal.SIGTERM, os.kill), (signal.SIGKILL, os.killpg)])
def test_signals_reach_all_that_a_warm_process_started(warm_python, tmp_path, number, kill):
    process, (outer, inner) = sleeping(warm_python, tmp_path)
    kill(process.pid, number)
    assert process.wait(timeout=10) == -number
    deadline = time.monotonic() + 10
    watched = [outer, inner] if number == signal.SIGKILL else [outer]
    while any(os.path.exists(f"/proc/{one}") for one in watched):  # noqa: PTH110
        assert time.monotonic() < deadline
        time.sleep(0.01)
    if number == signal.SIGTERM:
        os.kill(inner, signal.SIGKILL)


@pytest.mark.parametrize("watcher", [False, True])
def test_a_job_that_the_system_kills_ends_as_killed(warm_python, tmp_path, watcher):
    """As where memory runs out; or what watches it is killed, and that is said."""
    process, (outer, inner) = sleeping(warm_python, tmp_path, stderr=subprocess.PIPE)
    parent = int(Path(f"/proc/{outer}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(parent if watcher else outer, signal.SIGKILL)
    said = process.communicate(timeout=10)[1] if watcher else ""
    assert process.wait(timeout=10) == (1 if watcher else -signal.SIGKILL)
    assert said == (f"{KILLED}\n" if watcher else "")
    for left in (inner, outer):
        with contextlib.suppress(ProcessLookupError):
            os.kill(left, signal.SIGKILL)


KILLED = "error: the process that watched this job was killed; run the same command again"


def test_a_stopped_job_goes_on(warm_python, tmp_path):
    """Ctrl-Z and fg."""
    process, (outer, _) = sleeping(warm_python, tmp_path)

    def wait_for(state):
        deadline = time.monotonic() + 10
        for number in (process.pid, outer):
            while Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != state:
                assert time.monotonic() < deadline
                time.sleep(0.01)

    os.kill(process.pid, signal.SIGTSTP)
    wait_for("T")
    os.kill(process.pid, signal.SIGCONT)
    wait_for("S")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
