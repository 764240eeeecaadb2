"""Are the catalysts found in corpora that were made with known ones?"""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from mda.config import strict_yaml
from mda.corpus.tokens import TokenStore
from mda.evidence import csv_tables
from mda.interventions import selection
from mda.runtime import cli, database, files, parquet
from mda.runtime.errors import UserError
from mda.studies.recovery import table


def make(
    scores: list[Path],
    stores: list[Path],
    units: list[Path],
    configurations: list[Path],
    corpora: list[str],
    label: str,
    decoy: str | None,
    fraction: float,
    confidence: float,
    out: Path,
) -> None:
    """Write `out`: `table.recovery`, a line for each corpus, target and method.

    `scores`, `stores` (training rows), `units` (of the targets) and `configurations` are those of the
    experiments `corpora`, whose catalysts have the `label`, and what was made to be taken for them the label
    `decoy`, if there is one; `share` is how many samples they are, `repeats`
    how often a motif of middle length fits into one, `formed` whether one of the target's heads reaches
    the threshold at `attribution.rank_at`.
    """
    lines = []
    with database.beside(out) as data:
        for name, path, store, places, given in zip(
            corpora, scores, stores, units, configurations, strict=True
        ):
            configuration = strict_yaml.read(given)
            corpus = {"experiment": name, **_catalysts(given, configuration, label)}
            formed = _formed(files.read_json(places)["targets"], configuration)
            for target in parquet.words_of(path, "target"):
                falling = _falling(data, _scores(data, path, target, TokenStore(store)))
                lines += [
                    {**corpus, "target": target, "formed": formed[target], **line}
                    for line in table.recovery(falling, label, decoy, fraction, confidence)
                ]
    csv_tables.write(out, pd.DataFrame(lines))


def _scores(data: database.Database, path: Path, target: str, store: TokenStore) -> Iterator[pa.RecordBatch]:
    """Labels and scores by every method, in the order of the run, and what breaks ties."""
    ties = selection.ties(0)
    query = f"select row, label, influence, loss from {database.table(path)} where target = $1"
    for batch in data.ask(f"{query} order by step, row", [target]):
        repetition = selection.repetition_scores(store, batch.column("row").to_numpy())
        batch = batch.append_column("repetition", pa.array(repetition))
        yield batch.append_column("tie", pa.array(ties.random(len(batch))))


def _falling(data: database.Database, scores: Iterator[pa.RecordBatch]) -> dict[str, table.Lines]:
    """By method the labels and values, the highest first; ties in a drawn order."""
    kept = database.table(data.keep("scores", scores))
    found = {
        method: data.keep(
            method,
            data.ask(f"select {method} as value, label from {kept} order by {method} desc, tie"),
        )
        for method in ("influence", "loss", "repetition")
    }
    return {
        method: functools.partial(parquet.read_batches, path, ["value", "label"])
        for method, path in found.items()
    }


def _formed(found: dict[str, Any], configuration: dict[str, Any]) -> dict[str, bool]:
    """Target -> whether one of its heads reaches the threshold at the checkpoint where heads are ranked.

    The study reads no retrainings, so the rule of `statistics.forms_in_window` cannot be used.
    """
    metrics = {target["name"]: target["metric"] for target in configuration["targets"]}
    return {
        name: max((scores[metrics[name]] for scores in target["scores"].values()), default=-np.inf)
        >= configuration["evidence"]["threshold"]
        for name, target in found.items()
    }


def _catalysts(path: Path, configuration: dict[str, Any], label: str) -> dict[str, float]:
    """Share of the source with this label, and how often its motif fits into a sample."""
    synthetic = configuration["corpus"]["synthetic"] or {}
    for source in synthetic.get("sources", []):
        if source["label"] == label and source["motif"] is not None:
            repeats = synthetic["words_per_document"] / np.mean(source["motif"])
            return {"share": source["share"], "repeats": float(repeats)}
    raise UserError(
        f"{path}: corpus.synthetic has no tiled source '{label}'; name the catalysts in "
        "studies.validity.label"
    )


if __name__ == "__main__":
    cli.run(make)
