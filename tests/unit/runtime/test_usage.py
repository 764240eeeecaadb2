"""The table of what jobs used."""

import json
import os

from mda.runtime import usage


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
    retrain, scores, tokens = usage.by_rule(tmp_path / "benchmarks", tmp_path / "logs")
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


def test_without_a_gpu_nothing_is_said():
    assert usage.gpu_memory() is None


def test_memory_is_what_the_system_counted():
    held = bytearray(os.urandom(300 * 10**6))
    [said] = usage.PATTERNS[usage.MEMORY].findall(usage.memory())
    assert len(held) // 10**6 < int(said) < 20_000
