"""The main results of a trace in a few lines, for `mda summary`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mda.commands.columns import names_of
from mda.config.trace_section import steps_of
from mda.evidence import score_table
from mda.runtime import files
from mda.runtime.errors import UserError, printable

# Documents or rows of highest influence that are told of each target.
TOLD = 5
# Characters of a user's value.
LONGEST = 60


def tell(results: Path, settings: dict[str, Any]) -> None:
    """Print what a trace has found.

    Args:
        settings: the configuration of the results, as results/config.yaml has it.

    Raises:
        UserError: when there are no scores yet.
    """
    targets = files.read_json(results / "heads" / "targets.json")["targets"]
    documents, rows = results / "scores" / "documents.parquet", results / "scores" / "scores.parquet"
    if settings["tokens"]["pack"]:
        kind, found = "rows", _best_rows(_present(rows))
    else:
        kind, found = "documents", _best_documents(_present(documents))
    names = {step: name for name, step in steps_of(settings["trace"]["checkpoints"]).items()}
    agreement = _agreement(results / "evidence" / "agreement.csv")
    for target, about in targets.items():
        here = names[settings["attribution"]["checkpoint"]]
        print(f"\n{target} ({', '.join(about['units'])}), influence at checkpoint {here}")
        print(f"  {kind} of highest influence:")
        for line in found.get(target, []):
            print(f"    {line}")
        for step, line in agreement.get(target, []):
            print(f"  checkpoint {names[step]}: {line}")
    _tell_places(results, documents if documents.is_file() else rows)


def _present(path: Path) -> Path:
    if not path.is_file():
        raise UserError(f"{path}: is not there, so nothing is finished here; run `mda run` first")
    return path


def _best_documents(path: Path) -> dict[str, list[str]]:
    """Lines for each target, from scores/documents.parquet, of which no more than a batch is held."""
    columns = names_of(path)
    own = columns[columns.index("origin") + 1 : columns.index("influence")]
    best = [
        batch.filter(pc.less_equal(batch.column("rank"), TOLD)) for batch in files.read_batches(path, columns)
    ]
    table = pa.Table.from_batches(best).sort_by([("target", "ascending"), ("rank", "ascending")])
    found: dict[str, list[str]] = {}
    for line in table.to_pylist():
        # A user's own columns say best which document it is.
        ids = [f"{_value(name)} {_value(line[name])}" for name in own if line[name] is not None]
        what = ", ".join(ids or [_value(line["origin"])])
        found.setdefault(line["target"], []).append(
            f"{line['rank']}. {what}, label {_value(line['label'])}, influence {line['influence']:.4g}"
        )
    return found


def _best_rows(path: Path) -> dict[str, list[str]]:
    """Lines for each target, from scores/scores.parquet."""
    return {
        target: [
            f"{rank}. row {line['row']}, label {_value(line['label'])}, influence {line['influence']:.4g}"
            for rank, line in enumerate(mine.nlargest(TOLD, "influence").to_dict("records"), 1)
        ]
        for target, mine in score_table.read(path, ["influence", "label"]).items()
    }


def _agreement(path: Path) -> dict[str, list[tuple[int, str]]]:
    """Step of another checkpoint and a line about it, for each target; none of a single checkpoint."""
    found: dict[str, list[tuple[int, str]]] = {}
    if path.is_file():
        for line in files.read_csv(path).to_dict("records"):
            told = "all scores are equal"
            if not math.isnan(line["spearman"]):
                told = (
                    f"rank correlation {line['spearman']:.2f} [{line['spearman_low']:.2f}, "
                    f"{line['spearman_high']:.2f}]; of the top {line['chance']:.0%}, {line['overlap']:.0%} "
                    "are the same"
                )
            step = int(line["variant"].removeprefix("checkpoint-"))
            found.setdefault(line["target"], []).append((step, told))
    return found


def _tell_places(results: Path, scores: Path) -> None:
    browser = results / "samples" / "index.html"
    places = {
        "scores": scores,
        "samples": browser,
        "heads": results / "heads" / "ranking.csv",
        "agreement": results / "evidence" / "agreement.csv",
        "figures": results / "figures",
    }
    print()
    for name, path in places.items():
        if path.exists():
            print(f"{name + ':':11}{path}")
    print(f"\nnext: open {browser} in a browser to read the samples token by token")


def _value(value: object) -> str:
    """A user's value on one line, no longer than `LONGEST`."""
    text = printable(" ".join(str(value).split()))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
