"""The time that is left of a plan."""

import json

import pytest

from mda.snakemake import expected_time
from mda.snakemake.expected_time import Expectation, Job


def jobs(rule, numbers, stage="one", limit=1000.0, cores=1.0):
    return [Job(number, rule, stage, f"{rule} {number}", limit, {"_cores": cores}) for number in numbers]


def test_nothing_is_said_before_anything_is_known():
    expected = Expectation(jobs("a", range(4)), {}, {"_cores": 2})
    assert expected.left(0) is None
    expected.start(0, 0)
    expected.end(0, 10)
    assert expected.left(10) == 15
    assert not expected.guessed


def test_jobs_share_the_cores_and_the_longest_job_is_the_least():
    four = Expectation(jobs("a", range(4)), {"a": 10}, {"_cores": 2})
    assert four.left(0) == 20
    assert Expectation(jobs("a", range(4)), {"a": 10}, {"_cores": 100}).left(0) == 10
    assert Expectation(jobs("a", range(4), cores=2), {"a": 10}, {"_cores": 2}).left(0) == 40


def test_stages_follow_one_another():
    plan = jobs("a", range(2)) + jobs("b", [2], stage="two")
    assert Expectation(plan, {"a": 10, "b": 100}, {"_cores": 2}).left(0) == 10 + 100


def test_what_a_running_job_has_spent_is_not_left():
    expected = Expectation(jobs("a", [0]), {"a": 10}, {"_cores": 1})
    expected.start(0, 100)
    assert expected.left(104) == 6
    # Longer than expected: it is about to end.
    assert expected.left(200) == 0
    expected.fail(0)
    assert expected.left(200) == 10


def test_a_slower_machine_than_before_is_noticed():
    expected = Expectation(jobs("a", [0]) + jobs("b", [1]), {"a": 10, "b": 100}, {"_cores": 1})
    expected.start(0, 0)
    expected.end(0, 20)
    assert expected.left(20) == 200


def test_declared_limits_are_a_guess_that_the_first_jobs_correct():
    plan = jobs("a", [0], limit=100) + jobs("b", [1], limit=1000)
    expected = Expectation(plan, {}, {"_cores": 1})
    expected.start(0, 0)
    expected.end(0, 20)
    assert expected.guessed
    # A job of a took a fifth of its limit.
    assert expected.left(20) == pytest.approx(200)


def test_a_goal_takes_no_time():
    goal = Job(1, "all", "one", "all", 0, {}, counted=False)
    expected = Expectation([*jobs("a", [0]), goal], {"a": 10}, {"_cores": 1})
    assert expected.left(0) == 10
    assert not expected.guessed


def benchmark(path, seconds):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"s": 1000}) + "\n" + json.dumps({"s": seconds}) + "\n")


def test_earlier_runs_of_this_experiment_come_first(tmp_path):
    results = tmp_path / "results"
    for number, seconds in enumerate((1, 2, 9)):
        benchmark(results / "mine/benchmarks/a" / f"x/{number}.jsonl", seconds)
    benchmark(results / "benchmarks/a.jsonl", 50)
    benchmark(results / "benchmarks/b.jsonl", 60)
    benchmark(results / "other/benchmarks/c.jsonl", 70)
    (results / "other/benchmarks/d.jsonl").write_text("")
    found = expected_time.of_earlier_runs(["a", "b", "c", "d", "e"], results / "mine" / "benchmarks")
    assert found == {"a": 2, "b": 60, "c": 70}
    assert expected_time.of_earlier_runs(["a"], results / "benchmarks") == {"a": 50}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (89, "89 s"), (150, "2 min"), (3600, "60 min"), (9000, "2 h 30 min"), (200_000, "2 d 7 h")],
)
def test_times_in_words(seconds, text):
    assert expected_time.words(seconds) == text
