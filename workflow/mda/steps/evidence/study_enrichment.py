"""What the samples at both ends of the influence are."""

from pathlib import Path

import numpy as np
import pandas as pd

from mda.config import sections
from mda.corpus import tokens
from mda.corpus.tokens import TokenStore
from mda.evidence import statistics
from mda.evidence.studies import agreement, enrichment
from mda.interventions import selection
from mda.runtime import cli, files

# Features of more samples than these are not measured; they are drawn at random.
MOST = 5000


def table(
    scores: Path,
    train: Path,
    tokenizer: Path,
    window: sections.Window,
    fraction: float,
    seed: int,
    confidence: float,
    out: Path,
) -> None:
    """Write `out`: a line a target, side, and label or feature.

    Columns: target, side ('proponents', the top fraction, or 'opponents'), kind ('label' or 'feature'),
    then those of `mda.evidence.studies.enrichment`, and q.
    """
    store, reader = TokenStore(train), tokens.load_tokenizer(tokenizer)
    generator = np.random.default_rng([seed, 7])

    def measured(rows: np.ndarray) -> np.ndarray:
        few = rows if len(rows) <= MOST else generator.choice(rows, MOST, replace=False)
        taken = store.take(few)
        return enrichment.measure(taken, reader.decode_batch(taken.tolist(), skip_special_tokens=True))

    lines = []
    for target, mine in agreement.read(scores, ("influence", "label")).items():
        mine = mine[mine["step"].between(window.start, window.stop - 1)]
        everything = measured(mine["row"].to_numpy())
        number = selection.count(len(mine), fraction)
        for side, sign in (("proponents", 1), ("opponents", -1)):
            chosen = mine.iloc[agreement.top(sign * mine["influence"].to_numpy(), number)]
            found = enrichment.labels(chosen["label"].tolist(), mine["label"].tolist(), confidence)
            lines += [{"target": target, "side": side, "kind": "label", **line} for line in found]
            found = enrichment.features(measured(chosen["row"].to_numpy()), everything, confidence)
            lines += [{"target": target, "side": side, "kind": "feature", **line} for line in found]
    result = pd.DataFrame(lines)
    result["q"] = result.groupby("target")["p"].transform(statistics.adjusted)
    files.write_text(out, result.to_csv(index=False, float_format="%.6g"))


if __name__ == "__main__":
    cli.run(table)
