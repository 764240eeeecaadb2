"""Warnings about score tables: blocks that are 0 everywhere, and scores that are all equal."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mda.evidence import statistics

KEY = b"notes"
NOTHING = "they rank nothing"


class Ends(NamedTuple):
    """The lowest and the highest of some numbers."""

    low: float
    high: float

    def with_those_of(self, column: pa.Array) -> Ends:
        """Of these and more numbers; nulls are left out."""
        found = pc.min_max(column)
        if not found["min"].is_valid:
            return self
        return Ends(min(self.low, found["min"].as_py()), max(self.high, found["max"].as_py()))


NONE = Ends(math.inf, -math.inf)


def sentences(ends: Mapping[str, Ends], number: int, blocks: Sequence[str]) -> list[str]:
    """Sentences on one target's scores, most often none.

    Args:
        ends: of every column of its scores, as `mda.steps.attribution.scores` names them.
        number: how many scores there are.
        blocks: the columns that count.
    """
    found = [
        f"block {block} counts 0 in every sample: its probe, or the fitted samples, have no gradient there, "
        "or none that is finite (the log of score_shard says which)"
        for block in blocks
        if ends.get(block) == (0.0, 0.0)
    ]
    # But for rounding, which depends on the batch.
    if statistics.constant(np.array(ends["influence"])):
        found.append(
            f"all {number} scores are equal ({ends['influence'].low:g}), so that {NOTHING}, and what is "
            "selected by them is selected at random"
        )
    return found


def rank_nothing(told: Sequence[str]) -> bool:
    """Whether one of the sentences says that all scores are equal."""
    return any(NOTHING in sentence for sentence in told)


def with_notes(table: pa.Table, notes: Mapping[str, Sequence[str]]) -> pa.Table:
    """A table that carries sentences by target, for `notes`."""
    metadata = {**(table.schema.metadata or {}), KEY: json.dumps(notes).encode()}
    return table.replace_schema_metadata(metadata)


def notes(path: Path, target: str) -> list[str]:
    """The sentences that a table of scores carries on a target."""
    metadata = pq.read_schema(path).metadata or {}
    return json.loads(metadata.get(KEY, b"{}")).get(target, [])
