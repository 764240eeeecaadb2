"""Fix the order in which the base run reads the training rows."""

from pathlib import Path

from mda.runtime import cli, files
from mda.training import schedule


def order(train: Path, steps: int, batch_size: int, seed: int | None, out: Path) -> None:
    """Write the schedule of the base run; without a seed it reads the rows as they are stored."""
    rows = len(files.map_array(train))
    schedule.base(rows, steps, batch_size, seed).write(out)


if __name__ == "__main__":
    cli.run(order)
