"""What the tests rest on: slow tests are noticed."""

from types import SimpleNamespace

import budget
import pytest
from budget import Budget


@pytest.fixture
def watched(monkeypatch):
    monkeypatch.setattr(budget, "work", lambda: 2 * budget.REFERENCE)
    return Budget(workers=1)


def test_a_slower_machine_has_more_time(watched):
    assert watched.slowness == 2
    file = "tests/unit/test_x.py"
    report = SimpleNamespace(nodeid=f"{file}::test_y", duration=100.0, when="call")
    watched.pytest_runtest_logreport(report)
    assert watched.over() == []
    watched.pytest_runtest_logreport(report)
    assert watched.over() == [f"{file} took 200 s; a file of unit tests may take 180 s here"]
    # Tests of the whole workflow may take their time, within that of all.
    watched.seconds.clear()
    watched.pytest_runtest_logreport(SimpleNamespace(nodeid="tests/slurm/x.py::y", duration=999, when="call"))
    assert watched.over() == []
    watched.began -= 2 * 1.5 * budget.WHOLE_SECONDS + 1
    assert len(watched.over()) == 1
    session = SimpleNamespace(exitstatus=pytest.ExitCode.OK)
    watched.pytest_sessionfinish(session)
    assert session.exitstatus == pytest.ExitCode.TESTS_FAILED
