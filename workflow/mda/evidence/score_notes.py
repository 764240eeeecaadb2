"""Warnings about score tables: blocks that are 0 everywhere, and scores that are all equal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mda.evidence import statistics

KEY = b"notes"
NOTHING = "they rank nothing"


def sentences(scores: pa.Table, blocks: Sequence[str]) -> list[str]:
    """Sentences on one target's scores, most often none.

    Args:
        scores: from `mda.steps.attribution.scores`, of one target.
        blocks: the columns that count.
    """
    found = [
        f"block {block} counts 0 in every sample: its probe, or the fitted samples, have no gradient there, "
        "or none that is finite (the log of score_shard says which)"
        for block in blocks
        if block in scores.column_names and _ends(scores, block) == (0.0, 0.0)
    ]
    values = scores.column("influence").to_numpy()
    # But for rounding, which depends on the batch.
    if statistics.constant(values):
        found.append(
            f"all {scores.num_rows} scores are equal ({values[0]:g}), so that {NOTHING}, and what is "
            "selected by them is selected at random"
        )
    return found


def rank_nothing(told: Sequence[str]) -> bool:
    """Whether one of the sentences says that all scores are equal."""
    return any(NOTHING in sentence for sentence in told)


def _ends(scores: pa.Table, column: str) -> tuple[float, float]:
    found = pc.min_max(scores.column(column)).as_py()
    return found["min"], found["max"]


def with_notes(table: pa.Table, notes: Mapping[str, Sequence[str]]) -> pa.Table:
    """A table that carries sentences by target, for `notes`."""
    metadata = {**(table.schema.metadata or {}), KEY: json.dumps(notes).encode()}
    return table.replace_schema_metadata(metadata)


def notes(path: Path, target: str) -> list[str]:
    """The sentences that a table of scores carries on a target."""
    metadata = pq.read_schema(path).metadata or {}
    return json.loads(metadata.get(KEY, b"{}")).get(target, [])
