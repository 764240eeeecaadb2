"""Write the page to look at the samples of highest and lowest influence."""

import itertools
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from mda.config import sections
from mda.models import units
from mda.report import browser, documents_of_rows
from mda.runtime import cli, database, files, parquet


def write(
    tokens: Path,
    targets: Path,
    train_rows: list[Path],
    documents: list[Path],
    packed: bool,
    templates: list[Path],
    experiment: str | None,
    checkpoint: str,
    trained: bool,
    strategy: str,
    scores: Path,
    window: sections.Window | None,
    all_samples: bool,
    out: Path,
) -> None:
    """Write `out`: the samples of `tokens` as a page of HTML that needs no other file.

    `templates` are the page's own and what it includes. `train_rows` and `documents`, one table each or none,
    say which documents a row is of: of one, its origin and the user's columns are shown; of several, as may
    be where rows are `packed`, the origin of the first.
    `trained` says whether a training run read the samples, in steps; interventions select from its `window`.
    `scores` is read for the number of its lines; `all_samples` says whether there is a browser of them all.
    """
    lines = parquet.read_table(tokens).to_pylist()
    rows = np.array([line["row"] for line in lines])
    with database.beside(out) as data:
        names, sources = (
            documents_of_rows.read(data, [rows], train_rows[0], documents[0], packed)
            if documents
            else ([], itertools.repeat([]))
        )
        samples = [browser.sample(line, dict(zip(names, next(sources), strict=True))) for line in lines]
    members = {name: list(map(str, of)) for name, of in units.read_targets(targets).items()}
    facts = {
        "experiment": experiment,
        "checkpoint": checkpoint,
        "trained": trained,
        "strategy": strategy,
        "units": members,
        # Every target has all samples.
        "scored": pq.read_metadata(scores).num_rows // len(members),
        "window": None if window is None else [window.start, window.stop],
        "all_samples": all_samples,
    }
    files.write_text(out, browser.page(templates[0], samples, facts))


if __name__ == "__main__":
    cli.run(write)
