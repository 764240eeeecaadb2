"""The table of a shard of scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from mda.attribution.influence import Query
from mda.config import unit_sections


def table(
    results: Iterable[tuple[Query, Mapping[str, np.ndarray]]],
    targets: Sequence[unit_sections.Target],
    step: np.ndarray,
    rows: np.ndarray,
) -> pa.Table:
    """A line for each target and sample.

    Args:
        results: parts of each target's influence, and the samples' loss, as `influence.Tracker.score`
            yields them.
        step, rows: of the samples, shape (samples,).

    Returns:
        step, row, target, influence (the sum of the parts that count for the target), the parts, loss.
        Heads and neurons have other blocks; a block that a unit lacks is null.
    """
    blocks = {target.name: target.blocks for target in targets}
    tables = []
    for query, scores in results:
        counted = [scores[block] for block in blocks[query.target]]
        columns = {
            "step": step,
            "row": rows,
            "target": np.full(len(rows), query.target),
            "influence": np.sum(counted, axis=0, dtype=np.float32),
            **scores,
        }
        tables.append(pa.table(columns))
    return pa.concat_tables(tables, promote_options="default")
