"""Collect the documents of the configured source into one table."""

import io
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mda.config import corpus_sections
from mda.corpus import sources
from mda.corpus.document import Document
from mda.runtime import cli, external_files, files, parquet
from mda.runtime.errors import UserError

log = logging.getLogger(__name__)


def collect(
    corpus_settings: corpus_sections.Corpus,
    out: Path,
    content: str = external_files.NOTHING,
    out_summary: Path | None = None,
) -> None:
    """Write `out` with the columns document, text, label, origin, split, and `out_summary` (JSON).

    `split` is 'train' or 'held_out'; the documents held out are drawn with a seed and are
    never trained on. `content` is that of the local files when the run was planned.
    The summary has the numbers of documents and characters, in all and by label, and a hash of them.
    """
    if content != external_files.NOTHING and sources.fingerprint(corpus_settings) != content:
        raise external_files.changed(f"corpus: a file of the source '{corpus_settings.source}'")
    everything = list(sources.documents(corpus_settings))
    found = [document for document in everything if document.text.strip()]
    log.info("%d documents, and %d left out, which are empty", len(found), len(everything) - len(found))
    share = corpus_settings.held_out
    needed = 2 if share else 1
    if len(found) < needed:
        raise UserError(
            f"corpus: source '{corpus_settings.source}' gives {len(found)} non-empty documents, "
            f"but at least {needed} are needed; check its patterns or path"
        )
    held = np.random.default_rng(corpus_settings.split_seed).permutation(len(found))
    count = min(max(1, round(share * len(found))), len(found) - 1) if share else 0
    split = np.full(len(found), "train", dtype=object)
    split[held[:count]] = "held_out"
    table = {
        "document": pa.array(range(len(found)), pa.int64()),
        "text": [document.text for document in found],
        "label": [document.label for document in found],
        "origin": [document.origin for document in found],
        "split": split.tolist(),
    }
    own = found[0].own
    table |= {name: _column([document.own[name] for document in found]) for name in own}
    parquet.write_table(out, table)
    if out_summary is not None:
        files.write_json(out_summary, _summary(found))


def _summary(documents: list[Document]) -> dict[str, Any]:
    labels: dict[str, dict[str, int]] = {}
    for document in documents:
        numbers = labels.setdefault(document.label, {"documents": 0, "characters": 0})
        numbers["documents"] += 1
        numbers["characters"] += len(document.text)
    totals = {key: sum(numbers[key] for numbers in labels.values()) for key in ("documents", "characters")}
    return {**totals, "sha256": sources.digest(documents), "labels": dict(sorted(labels.items()))}


def _column(values: list[Any]) -> pa.Array:
    """Values of a user's column, in their own type if Parquet has one for all of them, else as text."""
    try:
        column = pa.array(values)
        # Parquet has no empty mapping, and a limit to how deep others go.
        kept = io.BytesIO()
        pq.write_table(pa.table({"own": column.slice(0, 0)}), kept)
        pq.read_schema(kept)
    except (pa.ArrowException, OSError, OverflowError):
        column = pa.array(list(map(_text, values)), pa.string())
    return column.cast(pa.string()) if pa.types.is_null(column.type) else column


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) or value is None else json.dumps(value, default=str)


if __name__ == "__main__":
    cli.run(collect)
