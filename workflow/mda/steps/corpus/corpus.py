"""Collect the documents of the configured source into one table."""

import logging
from pathlib import Path

import numpy as np
import pyarrow as pa

from mda.config import corpus_sections
from mda.corpus import sources
from mda.runtime import cli, external_files, files
from mda.runtime.errors import UserError

log = logging.getLogger(__name__)


def collect(
    corpus_settings: corpus_sections.Corpus, out: Path, content: str = external_files.NOTHING
) -> None:
    """Write `out` with the columns document, text, label, origin, split.

    `split` is 'train' or 'held_out'; the documents held out are drawn with a seed and are
    never trained on. `content` is that of the local files when the run was planned.
    """
    if content != external_files.NOTHING and sources.fingerprint(corpus_settings) != content:
        raise external_files.changed(f"corpus: a file of the source '{corpus_settings.source}'")
    everything = list(sources.documents(corpus_settings))
    found = [document for document in everything if document.text.strip()]
    log.info("%d documents, and %d left out, which are empty", len(found), len(everything) - len(found))
    if len(found) < 2:
        raise UserError(
            f"corpus: source '{corpus_settings.source}' gives {len(found)} non-empty documents, "
            "but at least two are needed; check its patterns or path"
        )
    held = np.random.default_rng(corpus_settings.split_seed).permutation(len(found))
    count = min(max(1, round(corpus_settings.held_out * len(found))), len(found) - 1)
    split = np.full(len(found), "train", dtype=object)
    split[held[:count]] = "held_out"
    table = {
        "document": pa.array(range(len(found)), pa.int64()),
        "text": [document.text for document in found],
        "label": [document.label for document in found],
        "origin": [document.origin for document in found],
        "split": split.tolist(),
    }
    files.write_table(out, table)


if __name__ == "__main__":
    cli.run(collect)
