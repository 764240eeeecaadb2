"""Tables of scores by target, and the samples with the highest scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mda.runtime import parquet


def read(path: Path, columns: Sequence[str] = ("influence",)) -> dict[str, pd.DataFrame]:
    """Scores by target: step, row and the columns, in the order of the run."""
    return {target: read_target(path, target, columns) for target in parquet.words_of(path, "target")}


def read_target(path: Path, target: str, columns: Sequence[str] = ("influence",)) -> pd.DataFrame:
    """The same of one target; no other scores are held."""
    table = parquet.read_where(path, "target", target, ["step", "row", *columns])
    return table.to_pandas().sort_values(["step", "row"], ignore_index=True)


def influence_of(path: Path, target: str, rows: np.ndarray) -> np.ndarray:
    """Influence of some rows on a target, in their order; no others are held."""
    wanted = pa.array(np.unique(rows))
    read = parquet.read_batches_where(path, "target", target, ["row", "influence"])
    found = [batch.filter(pc.is_in(batch.column("row"), wanted)) for batch in read]
    return pa.Table.from_batches(found).to_pandas().set_index("row")["influence"].loc[rows].to_numpy()


def top(scores: np.ndarray, number: int) -> np.ndarray:
    """Positions of the highest scores, in no order."""
    return np.argpartition(-scores, number - 1)[:number]
