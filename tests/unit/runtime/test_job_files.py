"""The table of what jobs used, and the files that it is read from."""

import json
import os
import resource

import pytest

from mda.runtime import job_files, usage


def job(folder, name, seconds, memory, said=""):
    benchmark, log = folder / "benchmarks" / f"{name}.jsonl", folder / "logs" / f"{name}.log"
    for path in (benchmark, log):
        path.parent.mkdir(parents=True, exist_ok=True)
    benchmark.write_text(json.dumps({"s": seconds, "max_rss": memory}) + "\n")
    log.write_text(said)


def test_a_line_a_rule(tmp_path):
    job(tmp_path, "tokens", 1.0, "NA")
    job(tmp_path, "retrain/base/seed-0", 10.0, 500.2, f"12:00:00 {usage.GPU_MEMORY.format(700)}\n")
    job(tmp_path, "retrain/replace/random/top-2.5/seed-0", 30.0, 400.0, usage.GPU_MEMORY.format(900))
    job(tmp_path, "retrain/replace/random/top-2.5/seed-1", 20.0, 400.0)
    # Snakemake sees nothing of what was forked from a warm Python, and all of several processes.
    job(tmp_path, "scores/target/part-0", 5.0, 8.5, f"12:00:00 {usage.MEMORY.format(712)}\n")
    job(tmp_path, "scores/target/part-1", 5.0, 900.0, usage.MEMORY.format(600))
    retrain, scores, tokens = job_files.by_rule(job_files.jobs(tmp_path / "benchmarks", tmp_path / "logs"))
    assert retrain == {
        "rule": "retrain",
        "jobs": 3,
        "median_s": 20.0,
        "longest_s": 30.0,
        "total_s": 60.0,
        "peak_mb": 500,
        "peak_gpu_mb": 900,
    }
    assert scores["peak_mb"] == 900
    assert tokens["peak_mb"] is None
    assert tokens["peak_gpu_mb"] is None


NAMES = ("retrain/base/seed-0", "retrain/replace/random/top-2.5/seed-1", "tokens")


@pytest.fixture
def results(tmp_path):
    """Three jobs, of two rules."""
    for number, name in enumerate(NAMES):
        job(tmp_path, name, 10.0 + number, 500.0, usage.GPU_MEMORY.format(700 + number) + " (H100)")
        os.utime(tmp_path / "benchmarks" / f"{name}.jsonl", (1000 + number, 1000 + number))
    return tmp_path


def read(results):
    return sorted(job_files.jobs(results / "benchmarks", results / "logs"))


def left(results):
    return {str(path.relative_to(results)) for path in results.rglob("*") if path.is_file()}


def test_joined_files_say_what_those_of_each_job_said(results):
    apart, before = read(results), job_files.seconds("retrain", results / "benchmarks", 50)
    for name in NAMES:
        job_files.join(results, results / "logs" / f"{name}.log")
    assert read(results) == apart
    assert apart[0] == job_files.Job("retrain", 1000.0, 10.0, 500.0, 700)
    assert job_files.seconds("retrain", results / "benchmarks", 50) == before
    assert job_files.gpu_names(results / "logs") == ["H100"]
    assert left(results) == {
        "logs/joined/retrain.log",
        "benchmarks/joined/retrain.jsonl",
        # A rule's only job.
        "logs/tokens.log",
        "benchmarks/tokens.jsonl",
    }
    assert (results / "logs/joined/retrain.log").read_text() == (
        "==> retrain/base/seed-0.log <==\npeak GPU memory 700 MB (H100)\n"
        "==> retrain/replace/random/top-2.5/seed-1.log <==\npeak GPU memory 701 MB (H100)\n"
    )


def test_of_a_job_that_has_run_again_the_last_counts(results):
    for seconds in (20.0, 30.0):
        job_files.join(results, results / "logs" / f"{NAMES[0]}.log")
        job(results, NAMES[0], seconds, 500.0)
    assert [one.seconds for one in read(results) if one.rule == "retrain"] == [11.0, 30.0]
    job_files.join(results, results / "logs" / f"{NAMES[0]}.log")
    assert job_files.seconds("retrain", results / "benchmarks", 50) == [30.0, 11.0]
    assert [one.seconds for one in read(results) if one.rule == "retrain"] == [11.0, 30.0]


def test_what_cannot_be_joined_stays(results):
    """As on a full disk, where a part of a file is written."""
    job_files.join(results, results / "logs" / f"{NAMES[1]}.log")
    apart, before = read(results), left(results)
    joined = results / "benchmarks/joined/retrain.jsonl"
    text, (soft, hard) = joined.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(text) + 5, hard))
    try:
        with pytest.raises(OSError, match="only 5 of"):
            job_files.join(results, results / "logs" / f"{NAMES[0]}.log")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (joined.read_bytes(), left(results), read(results)) == (text, before, apart)


def test_a_line_that_a_kill_has_cut_short_is_no_job(results):
    job_files.join(results, results / "logs" / f"{NAMES[0]}.log")
    with (results / "benchmarks/joined/retrain.jsonl").open("a") as stream:
        stream.write('{"job": "retrain/base/seed-9", "s"')
    assert len(read(results)) == 3
    # Nor does it swallow the next.
    job_files.join(results, results / "logs" / f"{NAMES[1]}.log")
    assert len(read(results)) == 3
    (results / "benchmarks/tokens.jsonl").write_text('{"s"')
    assert [one.rule for one in read(results)] == ["retrain", "retrain"]
