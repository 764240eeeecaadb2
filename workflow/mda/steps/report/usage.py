"""Collect the benchmarks of all jobs into one table."""

from pathlib import Path

from mda.runtime import cli, files, job_files


def collect(benchmarks: str, logs: str, out: Path) -> None:
    """Write `out`, a CSV with a line for each rule: jobs, times in seconds, peaks of memory in MB.

    The folders are names: what they hold changes with every run, and no result with it.
    """
    import pandas as pd

    jobs = job_files.jobs(Path(benchmarks), Path(logs))
    files.write_text(out, pd.DataFrame(job_files.by_rule(jobs)).to_csv(index=False))


if __name__ == "__main__":
    cli.run(collect)
