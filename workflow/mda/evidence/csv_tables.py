"""The layout of result tables in CSV, and how they are written and read."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from mda.runtime import files

# Columns of words, which may look like numbers ("01") or like nothing ("NA").
WORDS = frozenset(
    {
        "change", "changed", "claim", "comparison", "control", "curvature", "experiment", "file", "finding",
        "head", "intervention", "kind", "label", "method", "metric", "name", "note", "one", "one_units",
        "other", "other_units", "outcome", "outcomes", "published", "removed", "removed_units", "role",
        "rule",
        "runs_of", "selection", "side", "target", "test", "unit", "variant", "verdict",
    }
)  # fmt: skip


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


def read(path: Path) -> pd.DataFrame:
    """Read a table of words and numbers; what is empty is nan among numbers, and '' among words.

    A table without a line has no columns.
    """
    try:
        columns = pd.read_csv(path, nrows=0).columns
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    words = WORDS.intersection(columns)
    return pd.read_csv(
        path,
        dtype=dict.fromkeys(words, str),
        keep_default_na=False,
        na_values={column: [""] for column in columns if column not in words},
    )
