"""Run the workflow on this machine, from start to report: `make demo` and its like.

Does what one would do by hand: `snakemake --profile profiles/local`, then a look at the main numbers.
Beyond that it takes away the lock that a killed run of its own left behind. `--no-summary` leaves out
the numbers. Further arguments go to Snakemake, goals first.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

from mda.config import settings
from mda.runtime import environment, locks
from mda.runtime.errors import UserError
from merged import configuration

# From another folder, whose results these are, as well as from that of the workflow.
ROOT = Path(os.path.relpath(Path(__file__).parent.parent))
SNAKEMAKE = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
SNAKEMAKE += ["--profile", str(ROOT / "profiles" / "local")]
QUIET = ["--quiet", "rules", "host", "reason"]
STATE = Path(".snakemake")


def main(arguments: list[str]) -> int:
    """Run and summarize; returns the exit status of the first part that fails."""
    summarized = "--no-summary" not in arguments
    arguments = [argument for argument in arguments if argument != "--no-summary"]
    try:
        results = results_folder(arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    STATE.mkdir(exist_ok=True)
    try:
        lock = locks.take(STATE / "run.lock", wait=False)
    except locks.Busy:
        print("another run is at work in this folder; wait for it or stop it first", file=sys.stderr)
        return 1
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    with lock.stream:
        return locked(lock, results, arguments, summarized)


def locked(held: locks.Lock, results: Path, arguments: list[str], summarized: bool) -> int:
    """The run itself, with the lock held.

    Snakemake inherits the lock, so that it is held as long as Snakemake lives, even if this
    process is killed alone. The mark tells a lock of a killed run of ours, which may be
    removed, from that of a Snakemake that somebody started by hand, which may not. Where the file
    system has no locks, a run on another machine may be at work, and Snakemake's stays.
    """
    lock, mark = held.stream, STATE / "run.unfinished"
    if mark.exists() and held.everywhere:
        call([*SNAKEMAKE, *arguments, "--unlock", "--quiet", "all"], lock)
    mark.touch()
    status = call([*SNAKEMAKE, *arguments, *QUIET], lock)
    mark.unlink()
    # A dry run, or a goal of a part, may leave nothing to summarize.
    if status == 0 and summarized and (results / "benchmarks" / "usage.csv").exists():
        status = call([sys.executable, str(ROOT / "workflow" / "summary.py"), str(results)], lock)
    return status


def call(command: list[str], lock: IO[str]) -> int:
    """Run a command that holds the lock too."""
    clean = environment.cleaned(os.environ)
    return subprocess.run(command, check=False, pass_fds=[lock.fileno()], env=clean).returncode


def results_folder(arguments: list[str]) -> Path:
    """Folder of the results of the configuration that the arguments name.

    Raises:
        UserError: when the configuration is wrong, or an argument would be lost.
    """
    given = settings.options(arguments)
    for name in ("directory", "snakefile"):
        if name in given:
            raise UserError(f"--{name}: is not for run.py; start it in the folder where the results shall be")
    overlays = [Path(path) for path in given.get("configfile", [])]
    return Path(configuration(overlays, given.get("config", [])).results)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on from here")
