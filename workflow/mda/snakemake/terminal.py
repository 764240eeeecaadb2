"""What a run shows: a line with a bar for each stage on a terminal, plain lines elsewhere.

This is a logger plugin of Snakemake. A profile names it (`logger: mda`) after `register` has made it known.
"""

from __future__ import annotations

import logging
import sys
import time
import types
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column
from rich.text import Text
from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry

from mda.snakemake import expected_time, messages
from mda.snakemake.expected_time import Expectation, Job

# Seconds between two plain lines on jobs that ended well.
EVERY = 5.0
# Names of jobs at work that a line shows.
MOST_NAMES = 3


def register() -> None:
    """Make the plugin known to Snakemake, which else finds only packages that are installed."""
    module = types.ModuleType("snakemake_logger_plugin_mda")
    module.LogHandler = Handler  # type: ignore[attr-defined]
    LoggerPluginRegistry().register_plugin(module.__name__, module)


def begin(workflow: Any, benchmarks: Path) -> None:
    """Tell what is going to run, at the start of a run; nothing where the plugin is not in use.

    Args:
        workflow: Snakemake's.
        benchmarks: folder of the benchmarks of this experiment.
    """
    for handler in workflow.logger_manager.get_log_handlers():
        if isinstance(handler, Handler):
            handler.begin(plan(workflow, benchmarks))


def plan(workflow: Any, benchmarks: Path) -> Expectation:
    """The jobs that Snakemake is going to run, with what is known of their times."""
    order = {rule.name: number for number, rule in enumerate(workflow.rules)}
    planned = sorted(workflow.dag.needrun_jobs(), key=lambda job: (order[job.rule.name], str(job)))
    given = {name: _plain(value) for name, value in workflow.global_resources.items()}
    width = {
        name: float(value)
        for name, value in given.items()
        if isinstance(value, int) and 0 < value < sys.maxsize
    }
    jobs = [_job(workflow, job, width) for job in planned]
    rules = dict.fromkeys(job.rule for job in jobs if job.counted)
    return Expectation(jobs, expected_time.of_earlier_runs(rules, benchmarks), width)


def _plain(resource: Any) -> Any:
    """A resource of Snakemake as a number or text; some of its tables hold it so, others as an object."""
    return getattr(resource, "value", resource)


def _job(workflow: Any, job: Any, width: dict[str, float]) -> Job:
    def amount(name: str) -> float:
        value = _plain(job.resources.get(name, 0))
        return float(value) if isinstance(value, int | float) else 0.0

    return Job(
        number=workflow.dag.jobid(job),
        rule=job.rule.name,
        stage=Path(str(job.rule.snakefile)).stem.replace("_", " "),
        name=messages.job_name(job.rule.name, job.wildcards_dict),
        limit=60 * amount("runtime"),
        needs={name: amount(name) for name in width},
        counted=bool(job.rule.shellcmd),
    )


class Handler(LogHandlerBase):
    """Shows what Snakemake logs.

    Where a user asks for Snakemake's own words (`--verbose`, `--quiet`) and in a dry run, these are shown.
    """

    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def __post_init__(self) -> None:
        asked = self.common_settings
        self.own_words = asked.dryrun or asked.verbose or asked.debug_dag or bool(asked.quiet)
        stream = sys.stdout if asked.stdout else sys.stderr
        self.view: Snakemakes | Bars | Lines
        if self.own_words:
            self.view = Snakemakes(asked, stream)
        elif Console(file=stream).is_terminal:
            self.view = Bars(stream)
        else:
            self.view = Lines(stream)

    def begin(self, expected: Expectation) -> None:
        """The plan is made."""
        with self.lock:
            self.view.begin(expected)

    def emit(self, record: logging.LogRecord) -> None:
        """Show a message; Snakemake calls this in a thread of its own."""
        try:
            self.view.take(record)
        except BrokenPipeError:
            raise
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """The run is over."""
        self.view.close()
        super().close()


class Snakemakes:
    """Snakemake's own messages, as they would be without the plugin, but for the resources."""

    def __init__(self, asked: Any, stream: Any) -> None:
        self.debugs = asked.debug_dag
        words = DefaultFormatter(asked.quiet, asked.show_failed_logs)
        wanted = DefaultFilter(
            asked.quiet, asked.debug_dag, asked.verbose, asked.dryrun, asked.printshellcmds
        )
        self.handler = ColorizingTextHandler(asked.nocolor, stream, words, wanted)

    def begin(self, expected: Expectation) -> None:
        """Nothing to prepare."""

    def take(self, record: logging.LogRecord) -> None:
        """Show a message, but for what helps to find faults in Snakemake; the log has it."""
        if record.levelno < logging.INFO and not self.debugs:
            return
        resources = getattr(record, "resources", None)
        if resources is not None and hasattr(resources, "items"):
            # Snakemake would print objects: `mem_mb=Resource("mem_mb", 1000)`.
            record.resources = {name: _plain(value) for name, value in resources.items()}
        self.handler.handle(record)

    def close(self) -> None:
        """Nothing to end."""
        self.handler.flush()


class View:
    """What both ways of showing a run have in common: who is at work, what has ended, what has failed."""

    def __init__(self, stream: Any) -> None:
        self.console = Console(file=stream, highlight=False, soft_wrap=True)
        self.expected: Expectation | None = None
        self.names: dict[int, str] = {}
        self.failed: dict[int, str] = {}
        self.since = time.monotonic()

    def begin(self, expected: Expectation) -> None:
        """The plan is made."""
        self.expected = expected
        self.since = time.monotonic()

    def take(self, record: logging.LogRecord) -> None:
        """Show a message, or note what it says."""
        event = getattr(record, "event", None)
        told = record.__dict__
        if event == LogEvent.JOB_INFO:
            number = told["jobid"]
            self.names[number] = messages.job_name(told["rule_name"], told["wildcards"] or {})
            self.failed.pop(number, None)
            self.started(number)
        elif event == LogEvent.JOB_FINISHED:
            self.ended(told["job_id"])
        elif event == LogEvent.JOB_ERROR:
            number = told["jobid"]
            if number not in self.failed:
                self.failed[number] = self.names.get(number, told["rule_name"])
                self.lost(number)
                self.say(messages.failure(self.failed[number], told["log"] or [], told["rule_msg"]), "red")
        elif event == LogEvent.ERROR:
            # What follows the failure of a job repeats it, with the command; after Ctrl-C it comes first.
            repeats = told.get("exception") in ("CalledProcessError", "RuleException")
            if not repeats or not (self.failed or " mda.steps." in record.getMessage()):
                self.remark(record)
        elif event is None:
            self.remark(record)

    def remark(self, record: logging.LogRecord) -> None:
        """Show a message that is of no job."""
        text = messages.shown(record.getMessage() if record.msg else None)
        if text is not None:
            serious = record.levelno >= logging.ERROR
            style = "red" if serious else "yellow" if record.levelno >= logging.WARNING else ""
            self.say(text, style)

    def say(self, text: str, style: str = "") -> None:
        """Print a line for good."""
        self.console.print(Text(text, style=style))

    def started(self, number: int) -> None:
        """A job starts."""
        if self.expected is not None:
            self.expected.start(number, time.monotonic())

    def lost(self, number: int) -> None:
        """A job has failed."""
        if self.expected is not None:
            self.expected.fail(number)

    def ended(self, number: int) -> None:
        """A job has ended well."""
        if self.expected is not None:
            self.expected.end(number, time.monotonic())

    def counts(self) -> tuple[Counter[str], Counter[str]]:
        """Jobs by stage: those that have ended, and all."""
        assert self.expected is not None
        counted = [job for job in self.expected.jobs if job.counted]
        done = Counter(job.stage for job in counted if job.number in self.expected.done)
        return done, Counter(job.stage for job in counted)

    def time_left(self) -> str:
        """The time that is left, in words."""
        assert self.expected is not None
        left = self.expected.left(time.monotonic())
        if left is None:
            return "time left is known after the first jobs"
        sure = "at a guess" if self.expected.guessed else "about"
        return f"{sure} {expected_time.words(left)} left"

    def close(self) -> None:
        """The run is over: say how it went."""
        if self.expected is None:
            return
        done, planned = self.counts()
        took = expected_time.words(time.monotonic() - self.since)
        if done.total() == planned.total():
            self.say(f"{_jobs(done.total())} done in {took}", "green")
        else:
            self.say(
                f"{done.total()} of {planned.total()} jobs done in {took}; {len(self.failed)} failed", "red"
            )
        self.expected = None


def _jobs(count: int) -> str:
    return f"{count} job" if count == 1 else f"{count} jobs"


class Lines(View):
    """Plain lines for a log: at most one in `EVERY` seconds on jobs that ended well, and all errors."""

    told = 0.0
    ready: tuple[str, ...] = ()

    def begin(self, expected: Expectation) -> None:
        """Say how much there is to do."""
        super().begin(expected)
        _, planned = self.counts()
        stages = ", ".join(f"{stage} {count}" for stage, count in planned.items())
        self.say(f"{time.strftime('%H:%M:%S')} {_jobs(planned.total())}: {stages}; {self.time_left()}")

    def ended(self, number: int) -> None:
        """Say what is done, and how much is left."""
        super().ended(number)
        if self.expected is None or number not in self.expected.by_number:
            return
        job = self.expected.by_number[number]
        if not job.counted:
            return
        done, planned = self.counts()
        whole = done[job.stage] == planned[job.stage]
        now = time.monotonic()
        if not whole and now - self.told < EVERY:
            return
        self.told = now
        self.say(
            f"{time.strftime('%H:%M:%S')} {done.total()} of {planned.total()} jobs: {job.stage} "
            f"{done[job.stage]}/{planned[job.stage]}, {job.name} done; {self.time_left()}"
        )


class Bars(View):
    """A line for each stage, redrawn in place."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self.progress = Progress(
            TextColumn("{task.description}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=24, style="dim", complete_style="cyan", finished_style="green"),
            TextColumn("{task.completed:.0f}/{task.total:.0f}", justify="right"),
            # Text of users, which is not markup.
            TextColumn(
                "{task.fields[work]}",
                markup=False,
                table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),
            ),
            console=self.console,
            expand=True,
            refresh_per_second=4,
            get_time=self._tick,
        )
        self.tasks: dict[str, TaskID] = {}
        self.whole: TaskID | None = None
        self.running: dict[int, str] = {}

    def _tick(self) -> float:
        # Asked at each redraw: the time left runs on between two jobs.
        if self.whole is not None and self.expected is not None:
            self.progress._tasks[self.whole].fields["work"] = self.time_left()
        return time.monotonic()

    def begin(self, expected: Expectation) -> None:
        """Draw the stages."""
        super().begin(expected)
        _, planned = self.counts()
        for stage, count in planned.items():
            self.tasks[stage] = self.progress.add_task(stage, total=count, work="")
        self.whole = self.progress.add_task("all", total=planned.total(), work=self.time_left())
        self.progress.start()

    def say(self, text: str, style: str = "") -> None:
        """Print a line above the bars."""
        self.progress.console.print(Text(text, style=style))

    def started(self, number: int) -> None:
        """Name the job on the line of its stage."""
        super().started(number)
        self.running[number] = self.names[number]
        self._draw(number)

    def lost(self, number: int) -> None:
        """Take its name away."""
        super().lost(number)
        self.running.pop(number, None)
        self._draw(number)

    def ended(self, number: int) -> None:
        """Move the bar of its stage."""
        super().ended(number)
        self.running.pop(number, None)
        self._draw(number)

    def _draw(self, number: int) -> None:
        if self.expected is None or number not in self.expected.by_number:
            return
        stage = self.expected.by_number[number].stage
        if stage not in self.tasks or self.whole is None:
            return
        done, _ = self.counts()
        at_work = [
            name
            for other, name in self.running.items()
            if other in self.expected.by_number and self.expected.by_number[other].stage == stage
        ]
        more = f" and {len(at_work) - MOST_NAMES} more" if len(at_work) > MOST_NAMES else ""
        work = ", ".join(at_work[:MOST_NAMES]) + more
        self.progress.update(self.tasks[stage], completed=done[stage], work=work)
        self.progress.update(self.whole, completed=done.total(), work=self.time_left())

    def close(self) -> None:
        """Leave the bars as they are, and say how it went."""
        if self.whole is not None and self.expected is not None:
            whole, self.whole = self.whole, None
            self.progress.update(whole, work="")
            self.progress.stop()
        super().close()
