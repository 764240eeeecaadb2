"""How close is influence from stored gradients to influence by a pass over the samples?"""

from pathlib import Path

import pandas as pd

from mda.evidence import csv_tables
from mda.runtime import cli


def make(checked: list[Path], out: Path) -> None:
    """Write `out`: the tables of all checkpoints, one after the other."""
    csv_tables.write(out, pd.concat(map(csv_tables.read, checked), ignore_index=True))


if __name__ == "__main__":
    cli.run(make)
