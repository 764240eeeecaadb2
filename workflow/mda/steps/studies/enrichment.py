"""What are the samples at both ends of the influence?"""

from pathlib import Path

import numpy as np

from mda.config import sections
from mda.corpus import tokens
from mda.corpus.tokens import TokenStore
from mda.evidence import csv_tables, score_table
from mda.runtime import cli
from mda.studies.enrichment import table

# Features of more samples than these are not measured; they are drawn at random.
MOST = 5000


def make(
    scores: Path,
    train: Path,
    tokenizer: Path,
    window: sections.Window,
    fraction: float,
    seed: int,
    confidence: float,
    out: Path,
) -> None:
    """Write `out`: `table.enrichment` of the samples of the window."""
    store, reader = TokenStore(train), tokens.load_tokenizer(tokenizer)
    generator = np.random.default_rng([seed, 7])

    def measured(rows: np.ndarray) -> np.ndarray:
        few = rows if len(rows) <= MOST else generator.choice(rows, MOST, replace=False)
        taken = store.take(few)
        return table.measure(taken, reader.decode_batch(taken.tolist(), skip_special_tokens=True))

    inside = {
        target: part[part["step"].between(window.start, window.stop - 1)]
        for target, part in score_table.read(scores, ("influence", "label")).items()
    }
    csv_tables.write(out, table.enrichment(inside, measured, fraction, confidence))


if __name__ == "__main__":
    cli.run(make)
