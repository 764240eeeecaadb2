"""Are the catalysts of corpora found that were made with known ones?"""

from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from mda import agreement, cli, files, recovery, selection
from mda.errors import UserError
from mda.tokens import TokenStore


def table(
    scores: list[Path],
    stores: list[Path],
    configurations: list[Path],
    corpora: list[str],
    label: str,
    fraction: float,
    confidence: float,
    out: Path,
) -> None:
    """Write `out`: `mda.recovery.recovery`, a line a corpus, target and method.

    `scores`, `stores` (training rows) and `configurations` are those of the experiments `corpora`, whose
    catalysts have the `label`; `share` is how many samples they are, `repeats` how often a motif of
    middle length fits into one.
    """
    lines = []
    for name, path, store, configuration in zip(corpora, scores, stores, configurations, strict=True):
        corpus = {"experiment": name, **_catalysts(configuration, label)}
        for target, mine in agreement.read(path, ("influence", "loss", "label")).items():
            values = {
                "influence": mine["influence"].to_numpy(),
                "loss": mine["loss"].to_numpy(),
                "repetition": selection.repetition_scores(TokenStore(store), mine["row"].to_numpy()),
            }
            catalyst = np.asarray(mine["label"] == label)
            lines += [
                {**corpus, "target": target, **line}
                for line in recovery.recovery(values, catalyst, fraction, confidence)
            ]
    files.write_text(out, pd.DataFrame(lines).to_csv(index=False, float_format="%.6g"))


def _catalysts(configuration: Path, label: str) -> dict[str, float]:
    """Share of the source with this label, and how often its motif fits into a sample."""
    synthetic = yaml.safe_load(configuration.read_text(encoding="utf-8"))["corpus"]["synthetic"] or {}
    for source in synthetic.get("sources", []):
        if source["label"] == label and source["motif"] is not None:
            repeats = synthetic["words_per_document"] / np.mean(source["motif"])
            return {"share": source["share"], "repeats": float(repeats)}
    raise UserError(
        f"{configuration}: corpus.synthetic has no tiled source '{label}'; name the catalysts in "
        "studies.validity.label"
    )


if __name__ == "__main__":
    cli.run(table)
