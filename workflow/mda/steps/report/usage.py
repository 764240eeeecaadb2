"""Collect the benchmarks of all jobs into one table."""

from pathlib import Path

from mda.runtime import cli, files, usage


def collect(benchmarks: str, logs: str, out: Path) -> None:
    """Write `out`, a CSV with a line for each rule: jobs, times in seconds, peaks of memory in MB.

    The folders are names: what they hold changes with every run, and no result with it.
    """
    import pandas as pd

    files.write_text(out, pd.DataFrame(usage.by_rule(Path(benchmarks), Path(logs))).to_csv(index=False))


if __name__ == "__main__":
    cli.run(collect)
