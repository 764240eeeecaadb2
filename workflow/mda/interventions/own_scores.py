"""A selection of the user's own: a table of rows, the best first or with scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from pyarrow import csv

from mda.runtime import parquet
from mda.runtime.errors import UserError

# Columns that rank the rows, highest first: the first of them that a table has.
SCORES = ("score", "influence")


def read(path: Path) -> pd.Series:
    """A score for each row of the table, by row.

    Args:
        path: a CSV or Parquet table with the column row, and perhaps one of `SCORES`; without, the first row
            is the best.

    Raises:
        UserError: when the table cannot be read, lacks the column, has a row twice or no number, or has
            several targets.
    """
    table = _read(path)
    if "row" not in table:
        raise UserError(f"selection.own: {path} has no column 'row', only {', '.join(map(str, table))}")
    targets = list(map(str, dict.fromkeys(table["target"]))) if "target" in table else []
    if len(targets) > 1:
        raise UserError(f"selection.own: {path} has the targets {', '.join(targets)}; keep the lines of one")
    own = _numbers(table["row"], path, "row")
    if (wrong := own[own != np.floor(own)]).size:
        raise UserError(f"selection.own: {path} has the row {wrong[0]:g}, which is no whole number")
    found, counts = np.unique(own, return_counts=True)
    if (counts > 1).any():
        raise UserError(f"selection.own: {path} has the row {found[counts > 1][0]:.0f} twice; keep one")
    scored = next((name for name in SCORES if name in table), None)
    values = -np.arange(len(own), dtype=float) if scored is None else _numbers(table[scored], path, scored)
    return pd.Series(values, index=own)


def of(scores: pd.Series, rows: np.ndarray) -> np.ndarray:
    """The scores of some rows; minus infinity for those without."""
    return scores.reindex(rows.astype(float)).fillna(-np.inf).to_numpy()


def check_enough(known: int, candidates: int, number: int, path: Path) -> None:
    """Make sure that of the candidates `number` have a score; `known` do.

    Raises:
        UserError: with the fraction that would do.
    """
    if known < number:
        raise UserError(
            f"selection.own: {path} has {known} of the {candidates} samples of the window, and {number} are "
            f"to be selected; add rows, or set fractions to {known / candidates:.6g} at most"
        )


def _read(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return parquet.read_table(path).to_pandas()
    try:
        # It refuses a line that has more or fewer fields than the first.
        return csv.read_csv(path).to_pandas()
    except (ValueError, OSError) as error:
        first = str(error).splitlines()[0]
        raise UserError(
            f"selection.own: {path} cannot be read as CSV ({first}); save it as CSV or .parquet"
        ) from None


def _numbers(column: pd.Series, path: Path, name: str) -> np.ndarray:
    values = pd.to_numeric(column, errors="coerce").to_numpy(float)
    if (wrong := ~np.isfinite(values)).any():
        raise UserError(
            f"selection.own: {path} has '{column[wrong].iloc[0]}' in the column '{name}', which is no number"
        )
    return values
