"""The layout of result tables in CSV, and how they are written."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from mda.runtime import files


def columns(name: str, found: Sequence[float]) -> dict[str, float]:
    """A value with its interval, as columns `name`, `name_low`, `name_high` (`name_p`, `name_detectable`).

    Args:
        found: `mda.evidence.statistics.Difference`; or an `Estimate`, which has the first three.
    """
    ends = ("", "_low", "_high", "_p", "_detectable")[: len(found)]
    return {f"{name}{end}": value for end, value in zip(ends, found, strict=True)}


def write(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, numbers with six significant digits."""
    files.write_text(path, table.to_csv(index=False, float_format="%.6g"))
