"""Write the order in which all branches of a seed read the samples of the window."""

from pathlib import Path

from mda.config import sections
from mda.runtime import cli
from mda.training import schedule as schedules


def reorder(seed: int, schedule: Path, window: sections.Window, out: Path) -> None:
    """Write `out`: the base run's schedule from the branching step on, the window's rows in another order."""
    schedules.reordered(schedules.Schedule.read(schedule), window, seed).write(out)


if __name__ == "__main__":
    cli.run(reorder)
