"""Write the page to look at the samples of highest and lowest influence."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from mda.config import sections
from mda.models import units
from mda.report import browser
from mda.runtime import cli, files


def write(
    tokens: Path,
    targets: Path,
    train_rows: list[Path],
    documents: list[Path],
    templates: list[Path],
    experiment: str | None,
    checkpoint: str,
    trained: bool,
    strategy: str,
    scores: Path,
    window: sections.Window | None,
    out: Path,
) -> None:
    """Write `out`: the samples of `tokens` as a page of HTML that needs no other file.

    `templates` are the page's own and what it includes. `train_rows` and `documents`, one table each or none,
    say which document a row is of, where each is of one: its origin and the user's columns are shown.
    `trained` says whether a training run read the samples, in steps; interventions select from its `window`.
    `scores` is read for the number of its lines.
    """
    lines = files.read_table(tokens).to_pylist()
    sources = [_sources(*pair) for pair in zip(train_rows, documents, strict=True)]
    samples = [browser.sample(line, sources[0][line["row"]] if sources else None) for line in lines]
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
    }
    files.write_text(out, browser.page(templates[0], samples, facts))


def _sources(train_rows: Path, documents: Path) -> list[dict[str, Any]]:
    """What is shown of each row's document."""
    table = files.read_table(documents)
    shown = [name for name in table.column_names if name not in ("document", "text", "label", "split")]
    places = {document: place for place, document in enumerate(table.column("document").to_pylist())}
    found = table.select(shown).to_pylist()
    owners = files.read_table(train_rows, columns=["documents"]).column("documents").to_pylist()
    return [found[places[owner]] for [owner] in owners]


if __name__ == "__main__":
    cli.run(write)
