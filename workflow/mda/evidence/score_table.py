"""Tables of scores by target, and the samples with the highest scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mda.runtime import parquet


def influence_of(path: Path, target: str, rows: np.ndarray) -> np.ndarray:
    """Influence of some rows on a target, in their order; no others are held."""
    wanted = pa.array(np.unique(rows))
    read = parquet.read_batches_where(path, "target", target, ["row", "influence"])
    found = [batch.filter(pc.is_in(batch.column("row"), wanted)) for batch in read]
    return pa.Table.from_batches(found).to_pandas().set_index("row")["influence"].loc[rows].to_numpy()


def top(scores: np.ndarray, number: int) -> np.ndarray:
    """Positions of the highest scores, in no order."""
    return np.argpartition(-scores, number - 1)[:number]
