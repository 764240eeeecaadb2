"""Write the browser of all scored samples: a page, and the files beside it that it loads."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mda.config import sections
from mda.corpus import tokens as store
from mda.models import units
from mda.report import all_samples, documents_of_rows
from mda.runtime import cli, database, files


def write(
    scores: Path,
    others: list[Path],
    targets: Path,
    train: Path,
    tokenizer: Path,
    train_rows: list[Path],
    documents: list[Path],
    packed: bool,
    templates: list[Path],
    experiment: str | None,
    checkpoint: str,
    checkpoints: list[str],
    trained: bool,
    strategy: str,
    window: sections.Window | None,
    characters: int,
    ends: int,
    out: Path,
) -> None:
    """Write `out`, a folder: index.html, which shows every sample of `scores`, and the files that it loads.

    `others` are scores of the same samples at other checkpoints, whose names are `checkpoints`.
    Of each text the first `characters` are shown. `ends` samples at either end of a target's influence are in
    the sample browser, token by token, and the page leads there. Others are as of the step `sample_browser`.
    """
    members = {name: list(map(str, of)) for name, of in units.read_targets(targets).items()}
    tables = {checkpoint: scores, **dict(zip(checkpoints, others, strict=True))}
    several = len(tables)
    with database.beside(out) as data:
        scored = all_samples.read(data, tables, list(members))
        rows = scored.columns["row"]
        names, sources = (
            documents_of_rows.read(data, _parts_of(rows), train_rows[0], documents[0], packed)
            if documents
            else ([], itertools.repeat([]))
        )

        def texts() -> Iterator[list[list[Any]]]:
            reader, stored = store.load_tokenizer(tokenizer), store.TokenStore(train)
            for part in all_samples.parts(len(rows)):
                here = rows[part].astype("int64")
                [kept] = stored.tokens_of(here, all_samples.A_FILE)
                decoded = reader.decode_batch([row.tolist() for row in kept], skip_special_tokens=False)
                yield [
                    [text[:characters], len(row) - 1, len(text) > characters, *next(sources)]
                    for row, text in zip(kept, decoded, strict=True)
                ]

        facts = {
            "experiment": experiment,
            "checkpoint": checkpoint,
            "trained": trained,
            "strategy": strategy,
            "units": {
                all_samples.named(target, name, several): of
                for name in tables
                for target, of in members.items()
            },
            "targets": {
                all_samples.named(target, name, several): target for name in tables for target in members
            },
            # The sample browser has the ends of these.
            "by_token": [all_samples.named(target, checkpoint, several) for target in members],
            "several": several > 1,
            "sources": names,
            "characters": characters,
            "ends": min(ends, len(rows) // 2),
            "window": None if window is None else [window.start, window.stop],
        }
        with files.whole(out) as part:
            all_samples.write(part, templates[0], scored, texts(), facts)


def _parts_of(rows: np.ndarray) -> Iterator[np.ndarray]:
    return (rows[begin : begin + database.PIECE] for begin in range(0, len(rows), database.PIECE))


if __name__ == "__main__":
    cli.run(write)
