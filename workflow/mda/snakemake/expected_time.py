"""Estimate how long the jobs of a plan take, from what such jobs took before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from mda.runtime import job_files

# Of a rule with many jobs, the times of so many say enough.
MOST_READ = 50
# A job takes a small share of the time limit that its rule declares. Used only where nothing was measured;
# the run's own first jobs correct it.
SHARE_OF_LIMIT = 0.05


@dataclass(frozen=True)
class Job:
    """A job of a plan.

    Attributes:
        number: Snakemake's.
        stage: name of the rule file.
        name: the rule with its wildcards, in words.
        limit: the time limit that the rule declares, in seconds.
        needs: resource -> how much of it the job takes, such as cores.
        counted: false for a goal, which runs nothing.
    """

    number: int
    rule: str
    stage: str
    name: str
    limit: float
    needs: Mapping[str, float]
    counted: bool = True


@dataclass
class Expectation:
    """The time that is left of a plan, better known with every job that ends.

    Attributes:
        jobs: all jobs, in the order of their stages.
        before: rule -> seconds that such a job took in earlier runs.
        width: resource -> how much of it all jobs together may take.
    """

    jobs: list[Job]
    before: Mapping[str, float]
    width: Mapping[str, float]
    began: dict[int, float] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)
    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.by_number = {job.number: job for job in self.jobs}

    def start(self, number: int, now: float) -> None:
        """A job starts, perhaps again."""
        self.began[number] = now

    def fail(self, number: int) -> None:
        """A job has failed; it may be tried again."""
        self.began.pop(number, None)

    def end(self, number: int, now: float) -> float:
        """A job has ended well; returns how long it took, in seconds."""
        seconds = now - self.began.pop(number, now)
        self.done.add(number)
        if number in self.by_number:
            self.took[self.by_number[number].rule].append(seconds)
        return seconds

    def left(self, now: float) -> float | None:
        """Seconds until the end, or None as long as nothing is known.

        Stages follow one another. Each takes as long as its longest job, and at least as long as the
        resource that it needs most of lets its jobs run beside each other.
        """
        if not self.before and not self.done:
            return None
        factors = self._factors()
        stages: dict[str, list[tuple[float, Job]]] = defaultdict(list)
        for job in self.jobs:
            if job.counted and job.number not in self.done:
                spent = now - self.began[job.number] if job.number in self.began else 0.0
                stages[job.stage].append((max(0.0, self._seconds(job, factors) - spent), job))
        return sum(self._stage(rest) for rest in stages.values())

    @property
    def guessed(self) -> bool:
        """Whether the time that is left rests for a good part on declared limits alone."""
        known, factors = {*self.before, *self.took}, self._factors()
        rest = [job for job in self.jobs if job.counted and job.number not in self.done]
        seconds = [(self._seconds(job, factors), job.rule in known) for job in rest]
        return sum(one for one, sure in seconds if not sure) > 0.25 * sum(one for one, _ in seconds)

    def _stage(self, rest: list[tuple[float, Job]]) -> float:
        loads = [
            sum(seconds * job.needs.get(name, 0) for seconds, job in rest) / width
            for name, width in self.width.items()
            if width > 0
        ]
        return max([*loads, *(seconds for seconds, _ in rest)], default=0.0)

    def _seconds(self, job: Job, factors: tuple[float, float]) -> float:
        if job.rule in self.took:
            return median(self.took[job.rule])
        if job.rule in self.before:
            return self.before[job.rule] * factors[0]
        return job.limit * SHARE_OF_LIMIT * factors[1]

    def _factors(self) -> tuple[float, float]:
        """How much longer jobs take now than before, and than the share of their limit."""
        limits = {job.rule: job.limit for job in self.jobs}
        now = before = sure = limited = 0.0
        for rule, times in self.took.items():
            if rule in self.before:
                now, before = now + sum(times), before + self.before[rule] * len(times)
            sure, limited = sure + sum(times), limited + limits[rule] * SHARE_OF_LIMIT * len(times)
        return (now / before if before else 1.0, sure / limited if limited else 1.0)


def of_earlier_runs(rules: Iterable[str], benchmarks: Path) -> dict[str, float]:
    """Rule -> median seconds of its jobs in earlier runs, as far as they have left benchmarks.

    Those of this experiment count. A rule that has none takes those of the other experiments beside it.

    Args:
        benchmarks: folder of Snakemake's benchmarks, of this experiment.
    """
    results = benchmarks.parent
    around = results if results.name == "results" else results.parent
    others = sorted(path for path in around.glob("*/benchmarks") if path != benchmarks)
    found = {}
    for rule in rules:
        for place in (benchmarks, around / "benchmarks", *others):
            seconds = job_files.seconds(rule, place, MOST_READ)
            if seconds:
                found[rule] = median(seconds)
                break
    return found


def words(seconds: float) -> str:
    """A time for people: '40 s', '12 min', '3 h 20 min', '2 d 4 h'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"
