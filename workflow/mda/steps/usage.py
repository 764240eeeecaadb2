"""Collect the benchmarks of all jobs into one table."""

from pathlib import Path

from mda import cli, files, usage


def collect(benchmarks: Path, logs: Path, out: Path) -> None:
    """Write `out`, a CSV with a line a rule: jobs, times in seconds, peaks of memory in MB."""
    import pandas as pd

    files.write_text(out, pd.DataFrame(usage.by_rule(benchmarks, logs)).to_csv(index=False))


if __name__ == "__main__":
    cli.run(collect)
