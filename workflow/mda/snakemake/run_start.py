"""What happens before the first job of a run, also after a run that was killed."""

from __future__ import annotations

import contextlib
import gc
import signal
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from types import FrameType
from typing import Any

from snakemake import common, jobs, rules
from snakemake.exceptions import WorkflowError

from mda.runtime import job_files, restart
from mda.runtime.errors import UserError


def settle_earlier_run(workflow: Any, runs: Path, began: float) -> None:
    """Before anything is submitted: settle what a run that was killed has left, in SLURM and in files.

    Args:
        runs: the file that notes runs on SLURM until they have finished.
        began: when the plan was begun, in seconds since 1970: jobs of a killed run may have ended since.
    """
    # The executor plugin's name of this run, by which SLURM knows its jobs.
    run = getattr(workflow.scheduler._executor, "run_uuid", None)
    planned = [tuple(map(Path, job.output)) for job in workflow.dag.needrun_jobs() if job.output]
    try:
        restart.settle(runs, run, planned, began)
    except UserError as error:
        raise WorkflowError(str(error)) from None


def join_files_of_jobs(workflow: Any, results: Path) -> None:
    """On a cluster, join the logs and benchmarks of jobs that end well; see `mda.runtime.job_files`.

    Those of the steps beside the workflow too, of which a large plan may have a thousand.
    """
    if workflow.local_exec:
        return
    for executor in filter(None, (workflow.scheduler._executor, workflow.scheduler._local_executor)):
        executor.handle_job_success = partial(_join, results, executor.handle_job_success)


def _join(results: Path, handle: Callable[[Any], None], job: Any) -> None:
    """Take over a job whose outputs Snakemake has found, and which it knows to have ended well."""
    handle(job)
    for one in job if job.is_group() else [job]:
        for log in one.log:
            # What cannot be joined stays, and nothing is lost.
            with contextlib.suppress(OSError, ValueError):
                job_files.join(results, Path(log))


def look_for_jobs_once(workflow: Any) -> None:
    """Without a cluster, switch off Snakemake's limit of submissions a second.

    Because of the limit Snakemake 9 looks at all ready jobs again a second after each look, and every job
    that ends adds such a chain of looks: after 300 jobs that took a third of a core.
    """
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None


def collect_seldom() -> None:
    """Let Python look for garbage less often: it looks at all objects of a plan, a million that stay."""
    gc.set_threshold(100_000, 50, 100)


def end_once(workflow: Any) -> None:
    """Without a cluster, let the first Ctrl-C alone end the run.

    The running steps have had it, and have every later one too. Snakemake awaits their end; a second one
    breaks that off, with tracebacks.
    """
    if workflow.local_exec and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def _end(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.default_int_handler(number, frame)


def look_at_functions_once() -> None:
    """Keep what Snakemake asks of each function in the rules, which parameters it has.

    It asks several times for each job, and inspects the function each time: a tenth of a large plan.
    """
    if not hasattr(common.get_function_params, "cache_info"):
        common.get_function_params = cache(common.get_function_params)
        jobs.get_function_params = rules.get_function_params = common.get_function_params
