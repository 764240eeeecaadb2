"""Run the workflow on this machine, from start to report: `make demo` and its like.

Does what one would do by hand: `snakemake --profile profiles/local`, then a look at the main numbers.
Beyond that it takes away the lock that a killed run of its own left behind. `--no-summary` leaves out
the numbers. Further arguments go to Snakemake, goals first.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import yaml

from mda import environment, locks
from mda.errors import UserError

SNAKEMAKE = [sys.executable, "-m", "snakemake", "--profile", "profiles/local"]
QUIET = ["--quiet", "rules", "host", "reason"]
STATE = Path(".snakemake")


def main(arguments: list[str]) -> int:
    """Run and summarize; returns the exit status of the first part that fails."""
    STATE.mkdir(exist_ok=True)
    summarized = "--no-summary" not in arguments
    arguments = [argument for argument in arguments if argument != "--no-summary"]
    try:
        results = results_folder(arguments)
    except (OSError, yaml.YAMLError) as error:
        print(f"the configuration cannot be read: {error}", file=sys.stderr)
        return 1
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
    if status == 0 and summarized:
        status = call([sys.executable, "workflow/summary.py", str(results)], lock)
    return status


def call(command: list[str], lock: IO[str]) -> int:
    """Run a command that holds the lock too."""
    clean = environment.cleaned(os.environ)
    return subprocess.run(command, check=False, pass_fds=[lock.fileno()], env=clean).returncode


def results_folder(arguments: list[str]) -> Path:
    """Folder of the results of the configuration that the arguments name."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--configfile", "--configfiles", nargs="+", default=[])
    parser.add_argument("--config", "-C", nargs="*", default=[])
    known, _ = parser.parse_known_args(arguments)
    name = None
    for path in ["config.yaml", *known.configfile]:
        name = (yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}).get("experiment", name)
    for setting in known.config:
        key, _, value = setting.partition("=")
        name = value if key == "experiment" else name
    return Path("results") if name is None else Path("results") / name


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on from here")
