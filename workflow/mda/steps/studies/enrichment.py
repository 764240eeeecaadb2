"""What are the samples at both ends of the influence?"""

from pathlib import Path

import numpy as np

from mda.config import sections
from mda.corpus import tokens
from mda.corpus.tokens import TokenStore
from mda.evidence import csv_tables, score_parts
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

    def drawn(number: int) -> np.ndarray:
        return np.arange(number) if number <= MOST else generator.choice(number, MOST, replace=False)

    def measured(rows: np.ndarray) -> np.ndarray:
        taken = store.take(rows)
        return table.measure(taken, reader.decode_batch(taken.tolist(), skip_special_tokens=True))

    inside = score_parts.of_targets(scores, ["row", "influence", "label"], (window.start, window.stop))
    csv_tables.write(out, table.enrichment(inside, measured, drawn, fraction, confidence))


if __name__ == "__main__":
    cli.run(make)
