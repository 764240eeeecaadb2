"""Tables of scores by target, and the samples with the highest scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mda.runtime import files


def read(path: Path, columns: Sequence[str] = ("influence",)) -> dict[str, pd.DataFrame]:
    """Scores by target: step, row and the columns, in the order of the run."""
    table = files.read_table(path, columns=["target", "step", "row", *columns]).to_pandas()
    return {
        str(target): part.drop(columns="target").sort_values(["step", "row"], ignore_index=True)
        for target, part in table.groupby("target", sort=False)
    }


def top(scores: np.ndarray, number: int) -> np.ndarray:
    """Positions of the highest scores, in no order."""
    return np.argpartition(-scores, number - 1)[:number]
