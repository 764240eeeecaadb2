"""A cluster for all tests of this folder, and projects that run on it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock
from project import Project
from slurm.cluster import ACCOUNT, Cluster, missing, wait_until
from terminal import Terminal

POLLING = Path(__file__).parent / "polling"
# `--profile slurm` as it is, but for waits that are made for jobs of hours.
QUICK = ("--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "10")
# Every rule of the tiny configuration, and fewer jobs of each.
SMALL = {
    "targets": [
        {
            "name": "pair",
            "units": ["L0H0", "L0H1"],
            "probe": "previous-token",
            "mode": "qk",
            "metric": "previous_token",
        }
    ],
    "attribution.samples_per_shard": 128,
    "attribution.fit": {"samples": 40, "samples_per_part": 40, "batch_size": 8},
    "experiments.seeds": [0],
    "experiments.interventions": [
        {"kind": "replace", "selections": ["influence", "random"]},
        {"kind": "augment", "selections": ["random"]},
    ],
}
# With one of these nothing is submitted.
WITHOUT_JOBS = {"--dry-run", "--unlock", "local"}
# What a site fills in.
PARTITIONS = "partitions: {cpu: {max_runtime: 20000}, gpu: {max_runtime: 20000, max_gpu: 2}}\n"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without SLURM the tests of this folder are skipped; in continuous integration they fail."""
    lacking = missing()
    for item in items:
        if Path(__file__).parent not in item.path.parents:
            continue
        item.add_marker(pytest.mark.slow)
        if lacking and not os.environ.get("CI"):
            item.add_marker(pytest.mark.skip(reason=f"SLURM is not installed: no {', '.join(lacking)}"))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    assert not missing(), f"continuous integration needs SLURM, but there is no {', '.join(missing())}"
    # Two runs of the tests on one machine, and two workers of a run, each have ports of their own.
    lab = Cluster(tmp_path_factory.mktemp("lab", numbered=True), port=26800 + 20 * (os.getpid() % 100))
    with FileLock(Path(tempfile.gettempdir()) / "mda-tests-of-slurm.lock"):
        lab.start()
    yield lab
    lab.stop()


@dataclass
class Held:
    """A process of a job, stopped."""

    process: int
    job: str

    def go_on(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGCONT)


class ClusterProject(Project):
    """A project that runs by `snakemake --profile slurm`, typed literally; its jobs are ordinary processes.

    What starts no job of SLURM is left to the project's own `python`.
    """

    cluster: Cluster

    def on(self, cluster: Cluster) -> ClusterProject:
        """Use this cluster, as a site does: its account and its partitions."""
        self.cluster = cluster
        profile = self.folder / "slurm"
        settings = profile / "config.yaml"
        text = settings.read_text()
        assert "account: " in text
        settings.write_text(text.replace("account: null", f"account: {ACCOUNT}"))
        (profile / "partitions.yaml").write_text(PARTITIONS)
        return self

    def copy(self, folder: Path) -> ClusterProject:
        return ClusterProject(super().copy(folder).folder, self.python).on(self.cluster)

    def command(self, *arguments: str) -> list[str]:
        program = [self.python, "-m", "snakemake"] if set(arguments) & WITHOUT_JOBS else ["snakemake"]
        return [*program, "--profile", "slurm", *QUICK, *arguments, "--configfile", "tiny.yaml"]

    def locally(self, *goals: str) -> None:
        """Make some results on this machine, without SLURM."""
        self.snakemake("--executor", "local", "--cores", "2", *goals)

    def environment(self) -> dict[str, str]:
        found = {**super().environment(), **self.cluster.environment, "PYTHONPATH": str(POLLING)}
        # As after `source .venv/bin/activate`.
        found["PATH"] = f"{Path(sys.executable).parent}:{found['PATH']}"
        return found

    def start(self, *arguments: str) -> subprocess.Popen:
        """The workflow in the background, in a process group of its own; output in `output.txt`."""
        output = (self.folder / "output.txt").open("a")
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    @property
    def output(self) -> str:
        """What the runs have shown, and Snakemake's own messages, which its logs have."""
        logs = sorted((self.folder / ".snakemake" / "log").glob("*.snakemake.log"))
        return "\n".join(path.read_text() for path in (self.folder / "output.txt", *logs))

    def in_terminal(self, *arguments: str) -> Terminal:
        """The workflow in a terminal of its own."""
        shown = self.folder / "output.txt"
        return Terminal(self.command(*arguments), self.folder, self.environment(), shown)

    def jobs(self, rule: str, states: str = "running") -> list[str]:
        """SLURM's numbers of the project's jobs of a rule that are in one of these states."""
        listed = self.cluster.run("squeue", "-h", "-t", states, "-o", "%i|%k|%Z")
        rows = [line.split("|") for line in listed.splitlines()]
        place = str(self.folder)
        return [job for job, comment, folder in rows if folder == place and _rule(comment) == rule]

    def at_work_on(self, step: str) -> int | None:
        """The process that works on a step (the last part of its name) in a job of the project, if any."""
        for process in self.cluster.processes_of_jobs():
            place = Path(f"/proc/{process}")
            try:
                words = (place / "cmdline").read_text().split("\0")
                named = any(word.startswith("mda.steps.") and word.endswith(f".{step}") for word in words)
                if named and (place / "cwd").readlink() == self.folder:
                    return process
            except OSError:
                continue
        return None

    def hold(
        self,
        run: subprocess.Popen,
        name: str,
        text: str = "",
        step: str = "",
        saved: str = "",
    ) -> Held:
        """Wait until a job works on a step and its log of that name says `text`, and stop its process.

        The step is the first part of the log's name, or `step`. With `saved` it has files of that pattern in
        the folder `resume`, too.

        So a fault meets a step at work however fast the machine is. SLURM wakes up what it ends.
        """
        path = self.results / "logs" / f"{name}.log"
        step = step or name.partition("/")[0]
        found: list[int] = []

        def at_work() -> bool:
            assert run.poll() is None, self.output[-6000:]
            found[:] = [process] if (process := self.at_work_on(step)) else []
            return bool(found)

        wait_until(at_work, 180, f"no job is at work on {step}:\n{self.output[-3000:]}")
        wait_until(
            lambda: path.exists() and text in path.read_text(), 180, f"{path} does not say {text}", 0.01
        )
        if saved:
            kept = self.results / "resume"
            wait_until(lambda: any(kept.glob(saved)), 180, f"{kept} has no {saved}", 0.01)
        os.kill(found[0], signal.SIGSTOP)
        variables = Path(f"/proc/{found[0]}/environ").read_text().split("\0")
        return Held(found[0], next(v.partition("=")[2] for v in variables if v.startswith("SLURM_JOB_ID=")))

    def accounted(self) -> list[dict[str, str]]:
        """What the accounting database knows of the project's jobs, once it has heard of the last end.

        The controller knows that a job has ended up to seconds before the database does.
        """
        last = time.monotonic() + 20
        while True:
            rows = self._in_database()
            known = {(row["JobID"], row["State"].split()[0]) for row in rows}
            if self._ended() <= known or time.monotonic() > last:
                return rows
            time.sleep(0.5)

    def _ended(self) -> set[tuple[str, str]]:
        """Number and state of the project's jobs that have ended, as far as the controller remembers them."""
        listed = self.cluster.run("squeue", "-h", "-t", "CD,CA,F,TO,OOM,NF", "-o", "%i|%T|%Z")
        jobs = [line.split("|", 2) for line in listed.splitlines()]
        return {(number, state) for number, state, folder in jobs if folder == str(self.folder)}

    def _in_database(self) -> list[dict[str, str]]:
        columns = [
            "JobID",
            "Comment",
            "State",
            "Start",
            "End",
            "NodeList",
            "AllocTRES",
            "WorkDir",
            "Partition",
            "Timelimit",
        ]
        command = (
            "sacct",
            "-X",
            "--parsable2",
            "--noheader",
            "--duplicates",
            f"--format={','.join(columns)}",
        )
        rows = [
            dict(zip(columns, line.split("|"), strict=True))
            for line in self.cluster.run(*command).splitlines()
        ]
        return [{**row, "rule": _rule(row["Comment"])} for row in rows if row["WorkDir"] == str(self.folder)]

    def counted(self) -> Counter[str]:
        """Number of SLURM jobs of each rule."""
        return Counter(row["rule"] for row in self.accounted())


def _rule(comment: str) -> str:
    return comment.removeprefix("rule_").partition("_wildcards_")[0]


@pytest.fixture(scope="session")
def small(cluster, warm_python, tmp_path_factory) -> ClusterProject:
    """A project in which every rule has one job or two, not yet run."""
    project = ClusterProject.make(tmp_path_factory.mktemp("small") / "project", warm_python).on(cluster)
    for key, value in SMALL.items():
        project.configure(key, value)
    return project


@pytest.fixture(scope="session")
def run_here(small) -> ClusterProject:
    """The same, run on this machine."""
    project = small.copy(small.folder.with_name("here"))
    project.locally()
    return project


@pytest.fixture(scope="session")
def on_slurm(small) -> ClusterProject:
    """The same, run from nothing by `snakemake --profile slurm`."""
    project = small.copy(small.folder.with_name("there"))
    process = project.start()
    assert process.wait(timeout=900) == 0, project.output[-6000:]
    return project
