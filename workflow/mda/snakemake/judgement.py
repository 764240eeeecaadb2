"""Decide which results are current, also where Snakemake's own records are missing or wrong.

Snakemake goes by its own records in `.snakemake` and by dates. Results that were copied without the
records count as current for it, whatever the settings say now; copied with new dates, or dated in the
future, they count as stale; and a job's outputs are deleted when an input got a younger date while it
ran. In all these cases, and in no other, results are asked what made them (`mda.runtime.provenance`): those
that would be made alike get a record and a date, the others are made again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from snakemake.dag import DAG
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.persistence import ParamsChange
from snakemake_interface_executor_plugins.settings import ExecMode

from mda.runtime import files, provenance, saves
from mda.runtime.errors import UserError
from mda.snakemake import rule_step


def install() -> None:
    """Put this judgement beside Snakemake's own: before a plan, and after a job."""
    if getattr(DAG.update_needrun, "judged", False):
        return
    plan, check = DAG.update_needrun, DAG.check_output_mtime

    async def update_needrun(dag: Any, create_inventory: bool = False) -> None:
        first = create_inventory and dag.workflow.exec_mode == ExecMode.DEFAULT
        if first:
            await dag.workflow.iocache.mtime_inventory(dag.jobs)
            await Judgement(dag).pronounce()
        await plan(dag, create_inventory)
        if first and _is_run(dag.workflow):
            accept(dag)

    async def check_output_mtime(dag: Any, job: Any, expanded_output: list[Any]) -> None:
        if not is_step(job):
            await check(dag, job, expanded_output)
        # With --touch the user vouches for what is there.
        elif not dag.workflow.touch and await _got_younger(dag, job):
            fault = _fault(job)
            if fault is not None:
                raise WorkflowError(
                    f"{job.output[0]}: an input has changed while it was made (it {fault}); run the same "
                    "command again",
                    rule=job.rule,
                )

    update_needrun.judged = True  # type: ignore[attr-defined]
    DAG.update_needrun, DAG.check_output_mtime = update_needrun, check_output_mtime


async def _got_younger(dag: Any, job: Any) -> bool:
    """Whether an input has a younger date than the start of the job that is at its end."""
    persistence = dag.workflow.persistence
    started = persistence._get_recorded_starttime(persistence._get_key(job.output[0])) or 0.0
    dates = [await path.mtime_uncached() for path in job.input if await path.exists()]
    return any(date.local_or_storage(follow_symlinks=True) > started for date in dates)


def _fault(job: Any, describe: Callable[[Path], Any] = files.describe) -> str | None:
    """Why a job's outputs are not what it would make now."""
    try:
        return provenance.fault(rule_step.plain(job.shellcmd), list(map(Path, job.output)), describe)
    except UserError as error:
        raise WorkflowError(str(error)) from None


def accept(dag: Any) -> None:
    """Forget the finished work of jobs whose outputs are on record."""
    # What it has read of the job that ended last is from before that end.
    dag.workflow.persistence.deactivate_cache()
    for job in filter(is_step, dag.jobs):
        resume = getattr(job.params, "resume", None)
        if resume is None or not Path(resume).exists() or not dag.noneedrun_finished(job):
            continue
        if dag.workflow.persistence.has_metadata(job):
            saves.accept(Path(resume))


def is_step(job: Any) -> bool:
    """Whether a job runs one of our steps: other rules may be in the same workflow."""
    return bool(job.output) and " mda.steps." in (job.rule.shellcmd or "")


def _is_run(workflow: Any) -> bool:
    """Whether jobs are going to run, in place of being listed or touched."""
    return workflow.executor_plugin is not None and not workflow.dryrun and not workflow.touch


class Judgement:
    """The judgement on all jobs of a plan whose outputs exist."""

    def __init__(self, dag: Any) -> None:
        self.dag = dag
        self.persistence = dag.workflow.persistence
        self.dates = dag.workflow.iocache.mtime
        # As they were found: those of what is current are mended on the way.
        self.found = {path: date.local_or_storage(follow_symlinks=True) for path, date in self.dates.items()}
        self.now = time.time()
        self.stale: list[tuple[Any, str]] = []
        self.describe: Callable[[Path], Any] = cache(files.describe)

    async def pronounce(self) -> None:
        """Mend records and dates of what is current, and have the rest made again."""
        # A job's command cannot be written down without.
        self.dag.update_jobids()
        for level in self.dag.toposorted():
            for job in level:
                if is_step(job) and all(path in self.found for path in job.output):
                    await self._judge(job)
        if self.stale:
            job, fault = self.stale[0]
            logger.warning(
                "results that the present settings, code and inputs would not make are made again, of "
                f"{len(self.stale)} job(s): first {job.output[0]} ({fault})."
            )

    async def _judge(self, job: Any) -> None:
        recorded = self.persistence.has_metadata(job)
        inputs = [path for path in job.input if path in self.found]
        made = [path for path in (*job.output, job.benchmark) if path in self.found]
        oldest = min(self.found[path] for path in made)
        late = any(self.found[path] > oldest for path in inputs)
        if not recorded or late:
            # Forced, or left by a killed job: it runs anyway.
            if not self.dag.forcefiles.isdisjoint(job.output) or job.rule in self.dag.forcerules:
                return
            fault = _fault(job, self.describe)
            if fault is not None:
                self._make_again(job, fault)
                return
            if not recorded and _is_run(self.dag.workflow):
                await self.persistence.finished(job)
        floor = max((self._date(path) for path in inputs), default=0.0)
        for path in made:
            date = max(min(self.found[path], self.now), floor)
            if date != self.found[path]:
                self._give_date(path, date)

    def _date(self, path: Any) -> float:
        return self.dates[path].local_or_storage(follow_symlinks=True)

    def _make_again(self, job: Any, fault: str) -> None:
        self.stale.append((job, fault))
        self.dag.reason(job).params_changed = ParamsChange(only_old={fault}, files=set(job.output))

    def _give_date(self, path: Any, date: float) -> None:
        self.dates[path] = type(self.dates[path])(local=date)
        if _is_run(self.dag.workflow):
            path.touch((date, date))
