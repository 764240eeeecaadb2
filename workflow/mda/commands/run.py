"""Run the workflow on this machine, then print the main numbers.

It does what you would do by hand: `snakemake --profile profiles/local`, and a look at the results. It
also takes away the lock that a killed run of its own has left. After a kill, or Ctrl-C, the same command
goes on from where it was.

Jobs do not each import torch anew: they are forked from a Python that has imported it once. On another
machine, in a container, and with `--cold`, each imports for itself. The results are the same.

Trainings of a small model share a GPU, as many as `--jobs-per-gpu` says. The results are the same.

A terminal shows a line for each stage: a bar, the jobs at work, and the time left. A file or a pipe
gets plain lines. The full messages of Snakemake are in .snakemake/log.

What it does not know itself goes to Snakemake: goals first, then options. Goals are files, or names of
rules: `all` (what you get without a goal), `scored` (the scores alone), `compared` (no figures),
`evidence` (all studies, with a verdict on every published finding).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from mda.config import settings
from mda.config.experiment import Config
from mda.config.merged import configuration
from mda.planning import gpu_sharing
from mda.runtime import environment, gpus, locks, warm_python
from mda.runtime.errors import UserError

EXAMPLES = """\
examples:
  mda run                                            the default experiment
  mda run --configfile experiments/python-stdlib.yaml
  mda run --configfile mine.yaml --config experiment=second
  mda run evidence                                   all studies too
  mda run -n                                         only list the jobs that would run
  mda run --forcerun scores                          make something again, and what follows from it
  mda run --profile slurm                            on a SLURM cluster (slurm/config.yaml)

options of Snakemake that are often used (`snakemake --help` lists all):
  --configfile FILE...     changes to config.yaml, in order
  --config KEY=VALUE...    single settings
  -n, --dry-run            only list the jobs
  --cores N                use N cores; all of them without
  --forcerun RULE...       run these rules again
  --until RULE             stop after this rule
"""
# Snakemake's options are not ours.
PASSES_ON = True

# From another folder, whose results these are, as well as from that of the workflow.
ROOT = Path(os.path.relpath(Path(__file__).parents[3]))
SNAKEMAKE = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
PROFILE = ["--profile", str(ROOT / "profiles" / "local")]
STATE = Path(".snakemake")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.usage = (
        "mda run [GOAL...] [--no-summary] [--verbose] [--cold] [--jobs-per-gpu N] [options of Snakemake]"
    )
    parser.add_argument("--no-summary", action="store_true", help="do not print the main numbers at the end")
    parser.add_argument(
        "--verbose", action="store_true", help="show all messages of Snakemake in place of the bars"
    )
    parser.add_argument("--cold", action="store_true", help="let each job import its packages for itself")
    parser.add_argument(
        "--jobs-per-gpu",
        type=positive,
        metavar="N",
        help="how many jobs share a GPU (default: one, or as many as fit where the model is small)",
    )


def main(given: argparse.Namespace) -> int:
    """Run and summarize; returns the exit status of the first part that fails.

    Raises:
        UserError: when the configuration is wrong, an option cannot be used here, or nothing can be locked.
    """
    arguments = [*given.others, *(["--verbose"] if given.verbose else [])]
    config = configured(arguments)
    variables = shared_gpus(config, given.jobs_per_gpu, has_profile(arguments))
    STATE.mkdir(exist_ok=True)
    try:
        lock = locks.take(STATE / "run.lock", wait=False)
    except locks.Busy:
        raise UserError(
            "another run is at work in this folder; wait for it (`mda status` shows it) or stop it first"
        ) from None
    with lock.stream:
        results = Path(config.results)
        return locked(lock, results, arguments, not given.no_summary, given.cold, variables)


def has_profile(arguments: Sequence[str]) -> bool:
    """Whether Snakemake's options name a profile other than that of this machine."""
    return any(word.partition("=")[0] == "--profile" for word in arguments)


def positive(text: str) -> int:
    """A whole number, at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number, at least 1")
    return int(text)


def shared_gpus(config: Config, asked: int | None, profile: bool) -> dict[str, str]:
    """Variables that tell the workflow how many jobs share a GPU; none where there is nothing to tell.

    Raises:
        UserError: when it is asked for, but another profile says where jobs run; when the shell's variable is
            no number.
    """
    if profile:
        if asked is not None:
            raise UserError(
                f"--jobs-per-gpu: is for runs without --profile; set the variable {gpus.JOBS_PER_GPU} for a "
                "profile of this machine, and leave it out for a cluster"
            )
        return {}
    if asked is not None and not gpus.found():
        raise UserError("--jobs-per-gpu: no GPU was found on this machine; leave it out, or mend the driver")
    if asked is None and gpus.JOBS_PER_GPU in os.environ:
        asked = gpus.jobs_per_gpu()
    elif asked is None:
        memory = gpus.memory()
        if memory == 0.0:
            return {}
        asked = gpu_sharing.jobs_per_gpu(config, memory)
    return {gpus.JOBS_PER_GPU: str(asked)}


def locked(
    held: locks.Lock,
    results: Path,
    arguments: Sequence[str],
    summarized: bool,
    cold: bool,
    variables: Mapping[str, str] = {},
) -> int:
    """The run itself, with the lock held, and with more variables of the environment.

    Snakemake inherits the lock, so that it is held as long as Snakemake lives, even if this
    process is killed alone. The mark tells a lock of a killed run of ours, which may be
    removed, from that of a Snakemake that somebody started by hand, which may not. Where the file
    system has no locks, a run on another machine may be at work, and Snakemake's stays.
    """
    lock, mark = held.stream, STATE / "run.unfinished"
    own = has_profile(arguments)
    snakemake = [*SNAKEMAKE, *([] if own else PROFILE), *arguments]
    if mark.exists() and held.everywhere:
        call([*snakemake, "--unlock", "--quiet", "all"], lock)
    mark.touch()
    with warm(own or cold) as python:
        status = call(snakemake, lock, {**variables, **python})
    mark.unlink()
    # A dry run, or a goal of a part, may leave nothing to summarize.
    if status == 0 and summarized and (results / "benchmarks" / "usage.csv").exists():
        # In a process of its own, for pandas is slow to import, and a run may be of a part.
        status = call([sys.executable, str(Path(__file__).parents[1]), "summary", str(results)], lock)
    return status


@contextlib.contextmanager
def warm(cold: bool) -> Iterator[dict[str, str]]:
    """Variables that tell the workflow of a warm Python, which works until the block ends; none if `cold`."""
    if cold:
        yield {}
        return
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mda-")))
        try:
            started = warm_python.started(folder, environment.cleaned(os.environ))
            python = stack.enter_context(started)
        except (RuntimeError, OSError) as error:
            raise UserError(
                f"the Python that jobs are forked from did not start in {folder} ({error}); set TMPDIR to "
                "another folder, or give --cold"
            ) from None
        yield {environment.WARM: str(python.parent)}


def call(command: Sequence[str], lock: IO[str], variables: Mapping[str, str] = {}) -> int:
    """Run a command that holds the lock too, with more variables of the environment; returns its status.

    Raises:
        KeyboardInterrupt: after Ctrl-C, when the command has ended. A terminal sends it to the command too,
            which may wait for jobs of a cluster.
    """
    clean = environment.cleaned(os.environ) | dict(variables)
    child, interrupted = subprocess.Popen(command, pass_fds=[lock.fileno()], env=clean), False
    while True:
        try:
            status = child.wait()
        except KeyboardInterrupt:
            interrupted = True
            continue
        if interrupted:
            raise KeyboardInterrupt
        return status


def configured(arguments: Sequence[str]) -> Config:
    """The configuration that the arguments name.

    Raises:
        UserError: when the configuration is wrong, or an argument would be lost.
    """
    given = settings.options(arguments)
    for name in ("directory", "snakefile"):
        if name in given:
            raise UserError(
                f"--{name}: is not for `mda run`; start it in the folder where the results shall be"
            )
    overlays = [Path(path) for path in given.get("configfile", [])]
    return configuration(overlays, given.get("config", []))
