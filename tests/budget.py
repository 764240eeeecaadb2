"""What the tests may take: seconds by folder at the end of a run, which fails far beyond its budget.

Budgets are of the machine on which they were set: two cores that take `REFERENCE` seconds for `work`. A
slower machine has more, in proportion to what it takes for the same.
"""

from __future__ import annotations

import ast
import inspect
import os
import time
from collections import Counter
from pathlib import PurePosixPath

import pytest
import torch

REFERENCE = 0.145
CORES = 2
# All tests of `make test`, and the unit tests of one file.
WHOLE_SECONDS, FILE_SECONDS = 16 * 60, 60
# A run that shares its machine with others should not fail.
MARGIN = 1.5


def work() -> float:
    """CPU-seconds of a fixed piece of work, half Python and half torch: the least of three."""
    source = inspect.getsource(ast)
    factor = torch.full((64, 64), 1e-3)
    found = []
    for _ in range(3):
        began = time.process_time()
        for _ in range(3):
            ast.unparse(ast.parse(source))
        for _ in range(3000):
            factor = torch.tanh(factor @ factor)
        found.append(time.process_time() - began)
    return min(found)


class Budget:
    """A plugin of the process that reports, not of its workers."""

    def __init__(self, workers: int) -> None:
        self.slowness = max(1.0, work() / REFERENCE)
        # Workers that share a core slow each other down.
        self.shared = max(1.0, workers / min(CORES, os.cpu_count() or 1))
        self.began = time.monotonic()
        self.seconds: Counter[str] = Counter()
        self.tests: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        file = report.nodeid.partition("::")[0]
        self.seconds[file] += report.duration
        self.tests[file] += report.when == "call"

    def over(self) -> list[str]:
        """A sentence for each budget that is exceeded by more than the margin."""
        allowed = MARGIN * self.slowness
        whole = time.monotonic() - self.began
        said = []
        if whole > WHOLE_SECONDS * allowed:
            said.append(f"all tests took {whole:.0f} s; they may take {WHOLE_SECONDS * allowed:.0f} s here")
        for file, seconds in self.seconds.items():
            limit = FILE_SECONDS * allowed * self.shared
            if "/unit/" in file and seconds > limit:
                said.append(f"{file} took {seconds:.0f} s; a file of unit tests may take {limit:.0f} s here")
        return said

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if session.exitstatus == pytest.ExitCode.OK and self.over():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter) -> None:
        terminalreporter.section("seconds by folder")
        folders = sorted({PurePosixPath(file).parent for file in self.seconds})
        for folder in folders:
            mine = [file for file in self.seconds if PurePosixPath(file).parent == folder]
            seconds, tests = (sum(of[file] for file in mine) for of in (self.seconds, self.tests))
            longest = max(mine, key=lambda file: self.seconds[file])
            terminalreporter.write_line(
                f"{folder!s:16} {tests:5d} tests {seconds:6.0f} s, most in {PurePosixPath(longest).name} "
                f"({self.seconds[longest]:.0f} s)"
            )
        whole = time.monotonic() - self.began
        terminalreporter.write_line(
            f"all took {whole / 60:.1f} min; the budget is {WHOLE_SECONDS * self.slowness / 60:.0f} min, "
            f"as this machine takes {self.slowness:.2f} x the time of the one on which it was set"
        )
        for sentence in self.over():
            terminalreporter.write_line(f"too slow: {sentence}", red=True)
