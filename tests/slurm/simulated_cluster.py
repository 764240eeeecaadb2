"""What a big plan costs the process that runs it: a workflow whose jobs all end at once.

    python tests/slurm/simulated_cluster.py /tmp/simulated                # an empty or new folder; small
    python tests/slurm/simulated_cluster.py /tmp/simulated 800 143        # 800 shards, 7 * 143 retrainings

The workflow is `snakemake --profile slurm` as it is, with the shipped settings. `sbatch` is a script of a
shell that notes what it is given; this process then touches the job's files, and `squeue` says that it has
completed. Steps that run beside the workflow touch their files too. Then it runs what two jobs were given,
with a `python` for their steps that only touches outputs: that is what a job costs before its work.
docs/benchmarks.md has the numbers.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from project import Project

HOOKS = Path(__file__).parent / "simulated"
# A base run and six interventions for each seed.
BRANCHES = 7
# Of a shard, and of a step.
SAMPLES = 16
PARTITIONS = "partitions: {cpu: {max_runtime: 20000}, gpu: {max_runtime: 20000, max_gpu: 1}}\n"
PROGRAMS = {
    # Its number is free: no process of that number has ended while the shell runs.
    "sbatch": """for word; do
    [ "$option" = --output ] && log=${word%%%j.log}$$.log
    option=$word
done
: >"$log"
for word; do
    case $word in --wrap=*) printf '%s\\nEND\\n' "${word#--wrap=}" >"$SIMULATED/spool/$$" ;; esac
done
echo $$""",
    "squeue": """cat "$SIMULATED/states" """,
    "srun": """while case $1 in -*) true ;; *) false ;; esac; do shift; done
exec "$@" """,
    "sinfo": "printf 'cpu*|(null)\\ngpu|gpu:8\\n'",
    # To any question: for how many seconds SLURM remembers a job that has ended.
    "scontrol": "echo 'MinJobAge = 600 sec'",
    "sacct": "exit 1",
    "sacctmgr": "exit 1",
}
# In place of a step: what follows `--out` and its like are outputs.
STEP = """#!/bin/sh
for word; do
    case $word in
        --out*) output=yes ;;
        --*) output= ;;
        *) [ -z "$output" ] || touch "$word" ;;
    esac
done
"""
# Rules whose jobs are most of a plan, and how often the start of each is measured.
MEASURED, REPETITIONS = ("score_shard", "retrain"), 3


@dataclass
class Cost:
    """Of a run. `cpu` and `memory_mb` are the workflow's own, without the programs that it starts."""

    jobs: int
    submitted: int
    wall: float
    cpu: float
    memory_mb: float
    a_minute: float
    # At the end, and the most that were there at once.
    files: Counter[str]
    most_files: int


class Simulation:
    """A project, and a cluster whose jobs end at once.

    Args:
        shards: of the scoring, a training step each; at least five.
        seeds: of each branch.
    """

    def __init__(self, folder: Path, shards: int, seeds: int) -> None:
        self.folder = folder
        (folder / "bin").mkdir(parents=True)
        (folder / "spool").mkdir()
        (folder / "states").touch()
        for name, text in PROGRAMS.items():
            (folder / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
            (folder / "bin" / name).chmod(0o755)
        self.project = Project.make(folder / "project")
        (self.project.folder / "slurm" / "partitions.yaml").write_text(PARTITIONS)
        for key, value in self.settings(shards, seeds).items():
            self.project.configure(key, value)
        self.submitted: list[float] = []
        # Rule -> what one of its jobs was given to run.
        self.commands: dict[str, str] = {}
        self.over = threading.Event()
        self.most_files = 0

    def settings(self, shards: int, seeds: int) -> dict[str, object]:
        """A plan of this size."""
        kinds = [
            {"kind": kind, "selections": ["influence", "random", "loss"]} for kind in ("mask", "replace")
        ]
        target = {"name": "pair", "units": ["L0H0", "L0H1"], "probe": "induction", "mode": "qk"}
        return {
            "corpus.synthetic.documents": 200 + 2 * SAMPLES * shards,
            "run.steps": shards,
            "run.checkpoints": [0, 4, shards],
            "run.window": {"start": 4, "stop": shards},
            "attribution.samples_per_shard": SAMPLES,
            "attribution.rank_at": shards,
            "targets": [{**target, "metric": "prefix_matching"}],
            "experiments.seeds": list(range(seeds)),
            "experiments.interventions": kinds,
            "studies": {"seeds": list(range(seeds))},
        }

    def environment(self) -> dict[str, str]:
        """Of the workflow."""
        return {
            **os.environ,
            "PATH": f"{self.folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(HOOKS),
            "SIMULATED": str(self.folder),
            "SIMULATED_JOBS": str(self.folder / "jobs.json"),
        }

    def run(self, *arguments: str) -> Cost:
        """Drive the plan to its end."""
        began = time.monotonic()
        with (self.folder / "output.txt").open("a") as output:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "snakemake",
                    "--profile",
                    "slurm",
                    *arguments,
                    "--configfile",
                    "tiny.yaml",
                ],
                cwd=self.project.folder,
                env=self.environment(),
                stdout=output,
                stderr=output,
            )
        threads = [threading.Thread(target=work) for work in (self.end_jobs, self.count_files)]
        for thread in threads:
            thread.start()
        cpu = memory = 0.0
        while process.poll() is None:
            cpu, memory = used(process.pid) or (cpu, memory)
            time.sleep(0.2)
        self.over.set()
        for thread in threads:
            thread.join()
        if process.returncode:
            raise SystemExit(f"the run failed; see {self.folder / 'output.txt'}")
        seconds = max(self.submitted) - min(self.submitted)
        return Cost(
            jobs=len(json.loads((self.folder / "jobs.json").read_text())),
            submitted=len(self.submitted),
            wall=time.monotonic() - began,
            cpu=cpu,
            memory_mb=memory,
            a_minute=60 * len(self.submitted) / max(seconds, 1e-9),
            files=self.files(),
            most_files=self.most_files,
        )

    def dry_run(self) -> float:
        """CPU seconds of `--dry-run` of the whole plan."""
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "--profile",
            "slurm",
            "--dry-run",
            "--configfile",
            "tiny.yaml",
            "--quiet",
        ]
        return self.cpu_of(command, self.environment())

    def start_of(self, rule: str) -> list[float]:
        """CPU seconds of a whole job of this rule without its step's work, several times."""
        environment = self.environment()
        del environment["PYTHONPATH"], environment["SIMULATED_JOBS"]
        # The Python of the workflow, beside which `python` is another.
        place = self.folder / "python" / "bin"
        if not place.exists():
            place.mkdir(parents=True)
            (place / "python3").symlink_to(Path(sys.executable).resolve())
            (place / "python").write_text(STEP)
            (place / "python").chmod(0o755)
            for name in ("lib", "pyvenv.cfg"):
                (place.parent / name).symlink_to(Path(sys.prefix) / name)
        # A job waits for it, and the workflow has removed it at its end.
        for scratch in re.findall(r"[^\s']+/\.snakemake/tmp\.\w+", self.commands[rule]):
            Path(scratch).mkdir(exist_ok=True)
        script = self.commands[rule].replace(sys.executable, str(place / "python3"))
        return [self.cpu_of(["sh", "-c", script], environment) for _ in range(REPETITIONS)]

    def cpu_of(self, command: list[str], environment: dict[str, str]) -> float:
        """CPU seconds, of a program and all that it starts."""
        before = os.times()
        done = subprocess.run(
            command, cwd=self.project.folder, env=environment, text=True, capture_output=True, check=False
        )
        after = os.times()
        if done.returncode:
            raise SystemExit(f"{' '.join(command)[:200]} fails: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return after.children_user + after.children_system - before.children_user - before.children_system

    def end_jobs(self) -> None:
        """Let what has been submitted end, until the run is over."""
        jobs: dict[str, list[str]] = {}
        while not self.over.is_set():
            waiting = sorted((self.folder / "spool").iterdir())
            if waiting and not jobs:
                jobs = json.loads((self.folder / "jobs.json").read_text())
            for script in waiting:
                text = script.read_text()
                if text.endswith("END\n"):
                    self.submitted.append(script.stat().st_mtime)
                    self.commands[target(text).partition(":")[0]] = text.removesuffix("END\n")
                    self.end(script.name, jobs[target(text)])
                    script.unlink()
            time.sleep(0.05)

    def end(self, number: str, files: list[str]) -> None:
        """One job has made its files."""
        for name in files:
            path = self.project.folder / name
            (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
            path.touch()
            if path.suffix == ".jsonl":
                path.write_text('{"s": 1.0}\n')
        with (self.folder / "states").open("a") as states:
            states.write(f"{number}|COMPLETED\n")

    def count_files(self) -> None:
        """Look for the most files at once, now and then."""
        while not self.over.wait(10):
            counted = sum(number for place, number in self.files().items() if place.endswith("files"))
            self.most_files = max(self.most_files, counted)

    def files(self) -> Counter[str]:
        """Numbers of files and folders that are no results, by where they lie."""
        found: Counter[str] = Counter()
        for top in (".snakemake", "results/logs", "results/benchmarks"):
            for folder, folders, names in os.walk(self.project.folder / top):
                parts = Path(folder).relative_to(self.project.folder).parts
                place = "/".join(parts[: 3 if parts[2:3] in (("slurm",), ("joined",)) else 2])
                found[f"{place}: files"] += len(names)
                found[f"{place}: folders"] += len(folders)
        return +found


def target(text: str) -> str:
    """The job that a submission is for, as its command names it."""
    [named] = re.findall(r"--target-jobs '?([^' ]+)", text)
    return str(named)


def used(process: int) -> tuple[float, float] | None:
    """CPU seconds of a process, and its most memory so far, in MB; None once it has ended."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        status = Path(f"/proc/{process}/status").read_text()
        peak = int(status.split("VmHWM:")[1].split()[0]) / 1000
    except (OSError, IndexError):
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), peak


def main(folder: Path, shards: int = 12, seeds: int = 2) -> None:
    """Print what was measured."""
    simulation = Simulation(folder, shards, seeds)
    print(f"{shards} shards, {BRANCHES * seeds} retrainings", flush=True)
    print(f"dry run: {simulation.dry_run():.1f} CPU-s", flush=True)
    cost = simulation.run()
    print(
        f"{cost.jobs} jobs, {cost.submitted} submitted, {cost.a_minute:.0f} a minute\n"
        f"wall {cost.wall:.0f} s, CPU of the workflow's process {cost.cpu:.1f} s, "
        f"memory {cost.memory_mb:.0f} MB"
    )
    for place, number in sorted(cost.files.items()):
        print(f"{place} {number}")
    print(f"files at once, at the most: {cost.most_files}")
    for rule in MEASURED:
        spent = ", ".join(f"{seconds:.2f}" for seconds in simulation.start_of(rule))
        print(f"start of a job, {rule}: {spent} CPU-s", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), *map(int, sys.argv[2:]))
