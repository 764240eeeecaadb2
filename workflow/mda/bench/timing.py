"""Time several functions in alternation, so that a drift of the machine does not change their ratios."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Spread:
    """Repeated measurements of one thing."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """Half of the measurements are below it."""
        return statistics.median(self.values)

    def over(self, other: Spread) -> Spread:
        """The ratios to another's measurements, turn by turn: what slowed one turn slowed both."""
        return Spread(tuple(mine / its for mine, its in zip(self.values, other.values, strict=True)))

    def each(self, change: Callable[[float], float]) -> Spread:
        """Every measurement changed."""
        return Spread(tuple(map(change, self.values)))

    def text(self, digits: int = 2) -> str:
        """Median [smallest, largest]."""
        low, high = min(self.values), max(self.values)
        return f"{self.median:,.{digits}f} [{low:,.{digits}f}, {high:,.{digits}f}]"


def in_turns(works: Mapping[str, Callable[[], object]], repetitions: int) -> dict[str, Spread]:
    """Seconds of each work, by its name.

    Each is done once uncounted, then all in turn, begun by another each time.
    """
    names = list(works)
    for name in names:
        works[name]()
    found: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(repetitions):
        first = turn % len(names)
        for name in (*names[first:], *names[:first]):
            _settle()
            began = time.perf_counter()
            works[name]()
            _settle()
            found[name].append(time.perf_counter() - began)
    return {name: Spread(tuple(values)) for name, values in found.items()}


def _settle() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"
