"""What a run takes from where it is started: shell, container, allocation, file system."""

import errno
import fcntl
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from project import ROOT

from mda.commands import run as runner
from mda.runtime import environment, files, locks, machine
from mda.runtime.errors import UserError

HOSTILE = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "MATPLOTLIBRC": "/nowhere/matplotlibrc",
    "LC_ALL": "de_DE.ISO-8859-1",
    "LANG": "tr_TR",
    "LANGUAGE": "de",
    "PYTHONHOME": "/nowhere",
    "PYTHONPATH": "/nowhere",
    "PYTHONSTARTUP": "/nowhere",
    "PYTHONWARNINGS": "error",
    "PYTHONUTF8": "0",
    "PYTHONIOENCODING": "latin-1",
    "PYTHONHASHSEED": "nonsense",
    "PYTHONOPTIMIZE": "2",
    "PYTHONINSPECT": "1",
    "RANK": "3",
    "WORLD_SIZE": "8",
    "LOCAL_RANK": "3",
    "MASTER_ADDR": "nowhere",
    "NVIDIA_TF32_OVERRIDE": "1",
    "OMP_PROC_BIND": "true",
}
PASSED = {
    "HF_HOME": "/hf", "HF_TOKEN": "t", "CUDA_VISIBLE_DEVICES": "", "SLURM_JOB_ID": "1", "https_proxy": "p",
    "TMPDIR": "/tmp", "HOME": "/h", "LD_LIBRARY_PATH": "/lib",
}  # fmt: skip


def run(command, folder, python=Path(sys.executable).parent, **variables):
    """A rule's command as Snakemake runs it, in a shell of these variables."""
    prefix = f"set -euo pipefail; {environment.of_steps(ROOT / 'workflow', python)}"
    return subprocess.run(
        ["bash", "-c", prefix + command],
        cwd=folder, env={"PATH": os.environ["PATH"], **HOSTILE, **variables},
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip


def test_a_step_that_draws_and_its_figure_are_those_of_a_clean_shell(tmp_path):
    """The label is not ASCII, and the working folder has files named as packages."""
    for name in ("random", "logging", "torch"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')")
    (tmp_path / "null.csv").write_text(
        "comparison,outcomes,tests,found,rate,rate_low,rate_high,nominal,corrected\n"
        "to_random,größe,4,1,0.25,0.1,0.5,0.05,0\n",
        encoding="utf-8",
    )
    step = "python -m mda.steps.studies.figure --study null --table null.csv --width null"
    step += " --names '{}' --palette '{}'"
    step += " --dpi 30 --out %s"
    done = run(step % "hostile.png", tmp_path)
    assert done.returncode == 0, done.stderr
    clean = {name: "" for name in HOSTILE if name in environment.CLEARED}
    done = run(step % "clean.png", tmp_path, **clean, PYTHONPATH="", LC_ALL="C.UTF-8", LANG="", MPLBACKEND="")
    assert done.returncode == 0, done.stderr
    hostile, plain = ((tmp_path / f"{name}.png").read_bytes() for name in ("hostile", "clean"))
    assert hostile == plain


def test_a_step_fails_under_this_shell_without_the_list(tmp_path):
    """The variables above are hostile indeed."""
    command = [sys.executable, "-c", "import matplotlib"]
    for name in ("MPLBACKEND", "PYTHONHOME", "PYTHONHASHSEED"):
        env = {"PATH": os.environ["PATH"], name: HOSTILE[name]}
        assert subprocess.run(command, env=env, cwd=tmp_path, capture_output=True).returncode != 0, name


TELL = """
import json, os, sys
flags = sys.flags.optimize, sys.flags.utf8_mode
print(json.dumps([*flags, dict(os.environ)]))
"""


@pytest.mark.parametrize("deployed", [False, True])
def test_what_is_not_listed_passes(tmp_path, deployed):
    (tmp_path / "tell.py").write_text(TELL)
    python = None if deployed else Path(sys.executable).parent
    path = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    done = run("python tell.py", tmp_path, python, **PASSED, **(path if deployed else {}))
    assert done.returncode == 0, done.stderr
    optimize, utf8, found = json.loads(done.stdout)
    assert (optimize, utf8) == (0, 1)
    assert PASSED.items() <= found.items()
    assert environment.SET.items() <= found.items()
    assert not set(environment.CLEARED) & set(found)
    assert found["PYTHONPATH"] == str(ROOT / "workflow")
    assert (found.get("PYTHONNOUSERSITE") == "1") == deployed


def test_a_warm_python_stands_before_the_ordinary_one(tmp_path):
    warm = tmp_path / "it's warm"
    warm.mkdir()
    (warm / "python").write_text("#!/bin/sh\necho warm\n")
    (warm / "python").chmod(0o755)
    command = environment.of_steps(ROOT / "workflow", Path(sys.executable).parent, str(warm)) + "python"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stdout == "warm\n"
    # One that has ended, or of a container, is not in the way.
    assert str(warm) not in environment.of_steps(ROOT / "workflow", None, str(warm))
    (warm / "python").unlink()
    done = subprocess.run(["bash", "-c", f"{command} -c 'print(1)'"], capture_output=True, text=True)
    assert done.stdout == "1\n"


def test_the_runner_starts_snakemake_in_a_clean_environment():
    found = environment.cleaned({**HOSTILE, **PASSED, "PYTHONSAFEPATH": "1"})
    assert PASSED.items() <= found.items()
    assert not {"PYTHONHOME", "PYTHONWARNINGS", "RANK", "PYTHONSAFEPATH"} & set(found)
    assert found["MPLBACKEND"] == "Agg"


def test_the_list_stands_in_one_place():
    """No rule and no step sets or reads what the list is about, but for the processes that train together."""
    allowed = {"environment.py", "parallel.py", "cli.py", "interruption.py", "warm_python.py"}
    for path in [*(ROOT / "workflow").rglob("*.py"), *(ROOT / "workflow").rglob("*.smk")]:
        if path.name not in allowed and "bench" not in path.parts:
            text = path.read_text()
            named = [name for name in (*environment.CLEARED, *environment.SET) if f'"{name}"' in text]
            assert not named, path


def control_groups(monkeypatch, root, own, limits):
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(own)
    for name, text in limits.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    real = machine._groups
    monkeypatch.setattr(machine, "_groups", lambda controller: real(controller, root))


GROUPS = {
    "version 2, of a group above": (
        "0::/job/step\n",
        {"job/memory.max": "2000000000", "job/step/memory.max": "max", "job/cpu.max": "150000 100000"},
    ),
    "version 2, in a container": ("0::/\n", {"memory.max": "2000000000", "cpu.max": "100000 100000"}),
    "version 1": (
        "5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n",
        {
            "memory/docker/x/memory.limit_in_bytes": "2000000000",
            "memory/memory.limit_in_bytes": "9223372036854771712",
            "cpu/docker/x/cpu.cfs_quota_us": "100000", "cpu/docker/x/cpu.cfs_period_us": "100000",
        },
    ),
    "version 1, whose path is the host's": (
        "5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n",
        {
            "memory/memory.limit_in_bytes": "2000000000",
            "cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000",
        },
    ),
}  # fmt: skip


@pytest.fixture
def free(monkeypatch):
    """Outside of any allocation, on a machine of 64 cores."""
    for name in ("SLURM_JOB_ID", "SLURM_CPUS_ON_NODE", "SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda process: set(range(64)))
    monkeypatch.setattr(
        machine.os, "sysconf", lambda name: {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 10**8}[name]
    )


@pytest.mark.parametrize("case", GROUPS)
def test_a_containers_limits_count(free, monkeypatch, tmp_path, case):
    control_groups(monkeypatch, tmp_path, *GROUPS[case])
    assert machine.memory() == 2000
    assert machine.cores() == 1


def test_without_limits_it_is_the_machine(free, monkeypatch, tmp_path):
    control_groups(monkeypatch, tmp_path, "0::/\n", {"memory.max": "max", "cpu.max": "max 100000"})
    assert machine.memory() == 409600
    assert machine.cores() == 64


@pytest.mark.parametrize(
    ("variables", "cores", "memory"),
    [
        ({"SLURM_CPUS_ON_NODE": "4", "SLURM_MEM_PER_NODE": "8000"}, 4, 8388),
        ({"SLURM_CPUS_ON_NODE": "4", "SLURM_MEM_PER_CPU": "1000"}, 4, 4194),
        ({"SLURM_CPUS_ON_NODE": "4", "SLURM_MEM_PER_NODE": "0"}, 4, 409600),
        ({}, 64, 409600),
    ],
)
def test_an_allocations_limits_count(free, monkeypatch, tmp_path, variables, cores, memory):
    control_groups(monkeypatch, tmp_path, "0::/\n", {})
    for name, value in {"SLURM_JOB_ID": "17", **variables}.items():
        monkeypatch.setenv(name, value)
    assert (machine.cores(), machine.memory()) == (cores, memory)
    # Of an allocation that is over, the variables say nothing.
    monkeypatch.delenv("SLURM_JOB_ID")
    assert (machine.cores(), machine.memory()) == (64, 409600)


@pytest.fixture
def without_locks(monkeypatch, tmp_path):
    """The project's file system cannot lock; another folder stands for the machine's own disk."""
    local = tmp_path / "local"
    local.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(local))
    real = fcntl.flock

    def flock(stream, how):
        if not Path(stream.name).is_relative_to(local):
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        real(stream, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    return tmp_path / "project"


def test_without_locks_of_the_file_system_a_folder_is_still_one_processs(without_locks, caplog):
    with files.alone(without_locks):
        assert caplog.messages == [
            f"{without_locks}: this file system has no locks; a process of another machine is not seen"
        ]
        with pytest.raises(locks.Busy):
            locks.take(without_locks / ".lock", wait=False)
        # Another folder is another lock.
        other = locks.take(without_locks / "other", wait=False)
        assert not other.everywhere
        other.stream.close()
    locks.take(without_locks / ".lock", wait=False).stream.close()


def test_where_nothing_can_be_locked_it_is_one_sentence(without_locks, monkeypatch):
    def flock(stream, how):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", flock)
    with (
        pytest.raises(UserError, match=r"project/\.lock: cannot be locked \(Function not implemented\), nor"),
        files.alone(without_locks),
    ):
        pass


def test_with_locks_they_hold_everywhere(tmp_path):
    lock = locks.take(tmp_path / "lock", wait=False)
    assert lock.everywhere
    with pytest.raises(locks.Busy):
        locks.take(tmp_path / "lock", wait=False)
    lock.stream.close()
    locks.take(tmp_path / "lock", wait=False).stream.close()


@pytest.mark.parametrize("everywhere", [True, False])
def test_the_runner_takes_away_a_lock_only_where_no_other_machine_can_be_at_work(
    tmp_path, monkeypatch, everywhere
):
    commands = []
    monkeypatch.setattr(runner, "STATE", tmp_path)
    monkeypatch.setattr(runner, "call", lambda command, *given: commands.append(command) or 0)
    (tmp_path / "run.unfinished").touch()
    with (tmp_path / "run.lock").open("a") as stream:
        runner.locked(locks.Lock(stream, everywhere), tmp_path, [], summarized=False, cold=True)
    assert any("--unlock" in command for command in commands) == everywhere
