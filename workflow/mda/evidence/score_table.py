"""Tables of scores by target, and the samples with the highest scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mda.runtime import files


def read(path: Path, columns: Sequence[str] = ("influence",)) -> dict[str, pd.DataFrame]:
    """Scores by target: step, row and the columns, in the order of the run."""
    return {target: read_target(path, target, columns) for target in files.words_of(path, "target")}


def read_target(path: Path, target: str, columns: Sequence[str] = ("influence",)) -> pd.DataFrame:
    """The same of one target; no other scores are held."""
    table = files.read_where(path, "target", target, ["step", "row", *columns])
    return table.to_pandas().sort_values(["step", "row"], ignore_index=True)


def top(scores: np.ndarray, number: int) -> np.ndarray:
    """Positions of the highest scores, in no order."""
    return np.argpartition(-scores, number - 1)[:number]
