"""What is measured of a training at its evaluations: in the log, and as tables."""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path
from typing import Any

from mda.runtime import parquet

log = logging.getLogger(__name__)

Record = dict[str, Any]


def report(record: Record, first: int, stop: int, began: float) -> None:
    """Log an evaluation, with the time left to step `stop` of a run from `first`, which began at `began`."""
    step = record["step"]
    rate = (step - first) / max(time.monotonic() - began, 1e-9)
    remaining = (stop - step) / rate if rate > 0 and step > first else math.nan
    best = max(max(layer) for layer in record["prefix_matching"])
    log.info(
        "step %d of %d, loss %.3f, held-out %.3f, best prefix-matching %.3f, %.1f steps/s, %.0f s left",
        step, stop, record["train_loss"], record["held_out_loss"], best, rate, remaining,
    )  # fmt: skip


def write_records(records: list[Record], steps: Path, heads: Path) -> None:
    """Write the metrics by step, and by step and head."""
    for path, table in zip((steps, heads), tables(records), strict=True):
        parquet.write_table(path, table)


def tables(records: list[Record]) -> tuple[dict[str, list], dict[str, list]]:
    """Split records into a table for each step and a table for each step and head."""
    scalars = [name for name, value in records[0].items() if not isinstance(value, list)]
    metrics = [name for name, value in records[0].items() if isinstance(value, list)]
    steps: dict[str, list] = {name: [record[name] for record in records] for name in scalars}
    heads: dict[str, list] = {name: [] for name in ("step", "layer", "head", *metrics)}
    for record in records:
        for layer, row in enumerate(record[metrics[0]]):
            for head in range(len(row)):
                heads["step"].append(record["step"])
                heads["layer"].append(layer)
                heads["head"].append(head)
                for metric in metrics:
                    heads[metric].append(record[metric][layer][head])
    return steps, heads
