"""Are the catalysts found in corpora that were made with known ones?"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mda.config import strict_yaml
from mda.corpus.tokens import TokenStore
from mda.evidence import csv_tables, score_table
from mda.interventions import selection
from mda.runtime import cli, files
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
    for name, path, store, places, given in zip(corpora, scores, stores, units, configurations, strict=True):
        configuration = strict_yaml.read(given)
        corpus = {"experiment": name, **_catalysts(given, configuration, label)}
        formed = _formed(files.read_json(places)["targets"], configuration)
        for target, mine in score_table.read(path, ("influence", "loss", "label")).items():
            values = {
                "influence": mine["influence"].to_numpy(),
                "loss": mine["loss"].to_numpy(),
                "repetition": selection.repetition_scores(TokenStore(store), mine["row"].to_numpy()),
            }
            catalyst, decoys = (np.asarray(mine["label"] == name) for name in (label, decoy))
            lines += [
                {**corpus, "target": target, "formed": formed[target], **line}
                for line in table.recovery(values, catalyst, decoys, fraction, confidence)
            ]
    csv_tables.write(out, pd.DataFrame(lines))


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
