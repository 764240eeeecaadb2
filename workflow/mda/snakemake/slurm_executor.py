"""Snakemake's SLURM plugin, where it loses jobs or says nothing of use: it delegates all else to the plugin.

The profile `slurm` puts this in the place of the plugin's own executor (`register`). What it changes, of
version 2.8.0:

- a refused submission is no failed job: it is submitted again until SLURM takes it;
- jobs are not forgotten while neither the controller nor the database answers;
- a failed job says why SLURM ended it, and is tried again with more of what it lacked alone;
- GPUs that the partitions have not, and accounts that are not the user's, are told before any submission;
- one Ctrl-C awaits the running jobs, a second one cancels them;
- a job starts Snakemake once: the plugin's starts it for a second time, by `srun`;
- GPUs are asked for by `--gres` where a site knows no `--gpus`;
- an array is no longer than the system takes, so that each task runs its own command;
- it looks at short jobs soon;
- jobs that have ended well leave no files of SLURM's.
"""

from __future__ import annotations

import contextlib
import shlex
import signal
import threading
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import snakemake_executor_plugin_slurm as plugin
from snakemake.exceptions import WorkflowError
from snakemake.iocontainers import ResourceList
from snakemake_executor_plugin_slurm.utils import get_job_wildcards
from snakemake_executor_plugin_slurm_jobstep import get_cpu_setting, get_gpu_setting, get_node_setting
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

from mda.snakemake import slurm_plan, slurm_words

MORE = {slurm_words.MEMORY: " with more memory", slurm_words.TIME: " with more time", None: ""}
# Programs of a job are beside this file.
HERE = Path(__file__).parent
# Options of the one Snakemake of a job. It looks at no records: what runs has been decided.
IN_JOB = "--executor local --scheduler greedy --rerun-triggers mtime"
# Bytes of the commands of an array. The plugin hands all of `sbatch` to a shell as one argument, of which
# Linux takes 128 KiB (MAX_ARG_STRLEN); the rest is for the options.
LONGEST_COMMANDS = 112 * 2**10
_plugins_gres = plugin.set_gres_string


def register() -> None:
    """Let `executor: slurm` of this process mean the executor of this module."""
    ExecutorPluginRegistry().plugins["slurm"].executor = Executor
    plugin.set_gres_string = gres


def gres(job: Any) -> str:
    """Options of `sbatch` for a job's GPUs: `--gpus`, or with the resource `by_gres` `--gres` alone."""
    count, model = job.resources.get("gpu"), job.resources.get("gpu_model")
    if not count or not job.resources.get("by_gres"):
        return _plugins_gres(job)
    own, wanted = job.resources.get("gres"), ":".join(["gpu", *([str(model)] if model else []), str(count)])
    return f" --gres={shlex.quote(','.join([*([str(own)] if own else []), wanted]))}"


class Executor(plugin.Executor):
    """The plugin's executor, with the changes that the module names."""

    # Seconds until a refused job is submitted again: the first time, and at the most.
    FIRST_WAIT, LONGEST_WAIT = 5.0, 60.0
    # Between two lines on refusals in the same words, as under a limit on the number of jobs.
    SAID_AGAIN = 600.0
    # Whether SLURM did not answer the last question. The first look at jobs may be before `prepare`.
    silent = False
    # When a job was submitted or ended last.
    news = 0.0
    # A property of the plugin's.
    next_seconds_between_status_checks: float

    def __post_init__(self, test_mode: bool = False) -> None:
        super().__post_init__(test_mode)
        self.prepare()
        self.check_plan()
        handled = signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        if threading.current_thread() is threading.main_thread() and not handled:
            signal.signal(signal.SIGINT, self._interrupted)

    def prepare(self) -> None:
        """The state of a run."""
        # Jobs in SLURM's hands, by its numbers; Snakemake's own list is empty during each look at them.
        self.held: dict[str, SubmittedJobInfo] = {}
        self.numbers: set[str] = set()
        # Job -> how often it lacked memory, and time.
        self.lacked: dict[Any, Counter[str]] = defaultdict(Counter)
        self.ending = threading.Event()
        self.refusals: dict[str, float] = {}
        self.interrupts = 0
        # Whether a thread submits a job that is in no array, and what the plugin reports of that.
        self.submission = threading.local()

    # Before anything is submitted.

    def check_plan(self) -> None:
        """Refuse a plan that this cluster cannot run.

        Raises:
            WorkflowError: in one sentence.
        """
        jobs = [job for job in self.workflow.dag.needrun_jobs() if not job.is_local]
        file = self.workflow.executor_settings.partition_config
        self._fallback_partition = slurm_plan.check(jobs, self._partitions or [], file, self.logger)

    def get_account_arg(self, job: Any) -> Iterator[str]:
        """The account of the profile; without one SLURM takes the user's default.

        The plugin asks the database about it for each job, and fails where that does not answer.
        """
        named = slurm_words.accounts(str(job.resources.get("slurm_account") or ""))
        yield f" -A {shlex.quote(named[0])}" if named else ""

    # What a job runs.

    @property
    def cores(self) -> str:
        """A job has all cores of its allocation, whatever this process may use."""
        return "all"

    def starts_once(self) -> bool:
        """Whether jobs start Snakemake once; where the site limits commands, `srun` is given a script."""
        return not self.workflow.executor_settings.pass_command_as_script

    def additional_general_args(self) -> str:
        """How Snakemake works in a job: on the job itself, in place of starting it again."""
        return IN_JOB if self.starts_once() else super().additional_general_args()

    def format_job_exec(self, job: Any) -> str:
        """The command of a job: Snakemake, as a step of SLURM."""
        command: str = super().format_job_exec(job)
        if not self.starts_once():
            return command
        python = self.get_python_executable()
        begin = f"{python} -m snakemake "
        if begin not in command:
            raise WorkflowError(f"the executor plugin starts Snakemake in a way that is not known: {command}")
        options = (
            get_cpu_setting(job, bool(get_gpu_setting(job))),
            get_gpu_setting(job),
            get_node_setting(job),
        )
        step = [python, "-I", shlex.quote(str(HERE / "slurm_step.py")), *filter(None, options)]
        snakemake = [python, shlex.quote(str(HERE / "in_job.py")), ""]
        return command.replace(begin, " ".join([*step, *snakemake]), 1)

    # Submissions.

    def run_jobs(self, jobs: list[Any]) -> None:
        """Submit jobs; one that is tried again asks for more of what it lacked, and else for the same."""
        for job in jobs:
            if job.attempt > 1 and not job.is_group():
                job._resources = self.resources(job)
        super().run_jobs(jobs)

    def resources(self, job: Any) -> ResourceList:
        """What a job asks for, after what it lacked in earlier attempts."""

        def at(attempt: int) -> dict[str, Any]:
            return dict(
                job.rule.expand_resources(
                    job.wildcards_dict, job.input, attempt, skip_evaluation={"tmpdir"}
                ).items()
            )

        found = at(1)
        for name, times in self.lacked[job].items():
            found[name] = at(1 + times).get(name)
        return ResourceList(fromdict=found)

    def run_job(self, job: Any) -> None:
        """Submit a job, and again as long as SLURM refuses it for now; runs in a thread of the plugin's."""
        if self._is_ending():
            self._leave(job)
            return
        said = self._submit(job)
        wait = self.FIRST_WAIT
        while said is not None:
            text = slurm_words.refusal(said)
            if not slurm_words.is_for_now(text, bool(self.held)):
                # It would be refused again.
                job.attempt = job.restart_times + 1
                super()._report_job_error_threadsafe(
                    SubmittedJobInfo(job), f"SLURM refuses the job: {text}\n"
                )
                return
            self._say_refused(text)
            over = self.ending.wait(wait) or self._is_ending()
            wait = min(2 * wait, self.LONGEST_WAIT)
            # A submission without an answer may have been taken all the same.
            taken = self._queued(job)
            if taken:
                self._adopt(job, taken)
                return
            if over:
                self._leave(job)
                return
            if taken is not None:
                said = self._submit(job)

    def run_array_jobs(self, jobs: list[Any]) -> None:
        """Submit jobs of a rule as arrays, and one that is left as an ordinary job; runs in a thread, too."""
        for part in self._arrays(jobs):
            if len(part) > 1:
                super().run_array_jobs(part)
            else:
                self.run_job(part[0])

    def _arrays(self, jobs: list[Any]) -> Iterator[list[Any]]:
        """Split jobs so that the commands of a part fit into the arguments of `sbatch`.

        Else the plugin writes them to a script, in which all tasks run the command of the first.
        """
        most = self.max_array_size if self.starts_once() else 1
        part: list[Any] = []
        length = 0
        for job in jobs:
            command = self.format_job_exec(job).encode()
            # As the plugin packs all but the first: zlib in hexadecimal, in JSON, in base64.
            packed = (2 * len(zlib.compress(command, level=9)) + 16) * 4 // 3
            if part and (len(part) == most or length + packed > LONGEST_COMMANDS):
                yield part
                part, length = [], 0
            length += packed if part else len(command)
            part.append(job)
        if part:
            yield part

    def _submit(self, job: Any) -> str | None:
        """Submit once; returns what was said if that failed."""
        self.submission.by_itself, self.submission.said = True, None
        try:
            super().run_job(job)
        finally:
            self.submission.by_itself = False
        return self.submission.said

    def _say_refused(self, text: str) -> None:
        now = time.monotonic()
        if now - self.refusals.get(text, -self.SAID_AGAIN) >= self.SAID_AGAIN:
            self.refusals[text] = now
            self.logger.warning(
                f"SLURM takes no more jobs for now ({text or 'no answer'}); they are submitted again until "
                "it does"
            )

    def _is_ending(self) -> bool:
        return self.ending.is_set() or bool(getattr(self.workflow.scheduler, "_user_kill", None))

    def _leave(self, job: Any) -> None:
        """Leave a job to the next run, for this one ends: it has not failed, so nothing is said of it."""
        self.workflow.scheduler.error_callback(job)

    def _queued(self, job: Any) -> str | None:
        """SLURM's number of a job that it took without an answer: '' if it took none, None if unknown."""
        wildcards = get_job_wildcards(job)
        comment = f"rule_{job.name}" + (f"_wildcards_{wildcards}" if wildcards else "")
        form = "--format=%i|%k"
        listed = slurm_words.ask("squeue", "--noheader", "--name", self.run_uuid, form)
        if listed is None:
            return None
        rows = [line.split("|", 1) for line in listed.splitlines() if "|" in line]
        return next((number for number, said in rows if said == comment and number not in self.numbers), "")

    def _adopt(self, job: Any, number: str) -> None:
        group_or_rule = f"group_{job.name}" if job.is_group() else f"rule_{job.name}"
        log = self.slurm_logdir / group_or_rule / get_job_wildcards(job) / f"{number}.log"
        self._report_job_submission_threadsafe(SubmittedJobInfo(job, number, {"slurm_logfile": log}))

    def _report_job_submission_threadsafe(self, job_info: SubmittedJobInfo) -> None:
        if "_" in str(job_info.external_jobid):
            # A task of an array, whose log the plugin seeks where that of a job would be.
            log = self.slurm_logdir / f"rule_{job_info.job.name}" / f"{job_info.external_jobid}.log"
            job_info.aux = {"slurm_logfile": log}
        self.numbers.add(str(job_info.external_jobid))
        self.held[str(job_info.external_jobid)] = job_info
        self.news = time.monotonic()
        super()._report_job_submission_threadsafe(job_info)

    def _report_job_error_threadsafe(self, job_info: SubmittedJobInfo, msg: str) -> None:
        if getattr(self.submission, "by_itself", False):
            self.submission.said = msg
        else:
            super()._report_job_error_threadsafe(job_info, msg)

    # Looks at running jobs.

    async def check_active_jobs(
        self, active_jobs: list[SubmittedJobInfo]
    ) -> AsyncGenerator[SubmittedJobInfo, None]:
        """Look at the jobs; where SLURM does not answer, all of them are still active."""
        seen = set()
        async for info in super().check_active_jobs(active_jobs):
            seen.add(info.external_jobid)
            yield info
        unknown = [
            info
            for info in active_jobs
            if info.external_jobid not in seen and info.external_jobid in self.held
        ]
        if bool(unknown) != self.silent:
            self.silent = bool(unknown)
            if unknown:
                self.logger.warning(
                    f"SLURM does not answer; its jobs ({len(unknown)}) go on, and this run waits for it"
                )
            else:
                self.logger.warning("SLURM answers again")
        for info in unknown:
            yield info
        self._look_soon()

    def _look_soon(self) -> None:
        """Wait half as long as there has been no news; the plugin waits 10 s longer after each look."""
        settings = self.workflow.executor_settings
        quiet = (time.monotonic() - self.news) / 2
        soon = max(settings.init_seconds_before_status_checks, quiet)
        self.next_seconds_between_status_checks = min(self.next_seconds_between_status_checks, soon)

    def report_job_success(self, job_info: SubmittedJobInfo) -> None:
        """A job has ended well: SLURM's log has nothing to tell, and its folder is this job's alone."""
        self.news = time.monotonic()
        self.held.pop(str(job_info.external_jobid), None)
        super().report_job_success(job_info)
        log = (job_info.aux or {}).get("slurm_logfile")
        if log is None or self.workflow.executor_settings.keep_successful_logs:
            return
        with contextlib.suppress(OSError):
            log.unlink(missing_ok=True)
            # Those of rules are shared by jobs that are submitted meanwhile.
            if log.parent.parent != self.slurm_logdir:
                # Stays where it has logs of attempts that have failed.
                log.parent.rmdir()

    def report_job_error(self, job_info: SubmittedJobInfo, msg: str | None = None, **kwargs: Any) -> None:
        """A job has failed: say why."""
        number, job = job_info.external_jobid, job_info.job
        self.news = time.monotonic()
        if number is not None:
            self.held.pop(number, None)
            log = (job_info.aux or {}).get("slurm_logfile")
            found = slurm_words.ending(number, Path(log) if log else None)
            if found.lacked is not None:
                self.lacked[job][found.lacked] += 1
            msg = f"SLURM job {number}: {found.words}{self._what_follows(job, found.lacked)}\n"
        super().report_job_error(job_info, msg=msg, **kwargs)

    def _what_follows(self, job: Any, lacked: str | None) -> str:
        if job.restart_times <= job.attempt - 1:
            return f"; {self._what_helps(job, lacked)}" if lacked else ""
        asked = {name: job.resources.get(name) for name in ("runtime", "longest")}
        if lacked == slurm_words.TIME and asked["longest"] and asked["runtime"] >= asked["longest"]:
            return "; it is tried again with the same time, the longest of the profile"
        return f"; it is tried again{MORE[lacked]}"

    def _what_helps(self, job: Any, lacked: str) -> str:
        """What a user can do about a job that lacked this in its last attempt."""
        asked = int(job.resources.get(lacked))
        more, longest = 2 * asked, job.resources.get("longest")
        if lacked == slurm_words.TIME and longest:
            if asked >= longest:
                return "raise 'longest' in slurm/config.yaml, and run the same command again"
            more = min(more, longest)
        end = "" if more == longest and lacked == slurm_words.TIME else ", or more"
        return f"run the same command again with --set-resources {job.name}:{lacked}={more}{end}"

    # The end.

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        """The first Ctrl-C awaits what runs; a second one cancels it, as Snakemake does at the first."""
        self.interrupts += 1
        if self.interrupts > 1 or self.workflow.scheduler is None:
            signal.default_int_handler(number, frame)
        # The main thread, which runs this, may hold the locks that this needs.
        threading.Thread(target=self._await_running, daemon=True).start()

    def _await_running(self) -> None:
        self.logger.warning(
            f"Ctrl-C: nothing new starts, and SLURM's jobs ({len(self.held)}) are awaited; press Ctrl-C "
            "again to cancel them"
        )
        self.ending.set()
        self.workflow.scheduler.exit_gracefully()

    def cancel(self) -> None:
        """Cancel every job that SLURM has, also while Snakemake looks at them."""
        self.ending.set()
        self._job_submission_executor.shutdown(wait=True, cancel_futures=True)
        self.cancel_jobs(list(self.held.values()))
        self.shutdown()

    def shutdown(self) -> None:
        """The run is over."""
        self.ending.set()
        super().shutdown()
