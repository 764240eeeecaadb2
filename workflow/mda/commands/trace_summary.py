"""The main results of a trace in a few lines, for `mda summary`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mda.config.trace_section import steps_of
from mda.report import trace_results
from mda.runtime import files
from mda.runtime.errors import UserError

# Documents or rows of highest influence that are told of each target.
TOLD = 5


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
        kind, found = "rows", trace_results.of_rows(_present(rows), TOLD)
    else:
        kind, found = "documents", trace_results.of_documents(_present(documents), len(targets), TOLD)
    stored = results / "evidence" / "stored_gradients.csv"
    # A table of before may be there still.
    from_store = settings["attribution"].get("stored_gradients") is not None and stored.is_file()
    approximate = trace_results.of_stored_gradients(stored) if from_store else {}
    names = {step: name for name, step in steps_of(settings["trace"]["checkpoints"]).items()}
    compared = results / "evidence" / "agreement.csv"
    agreement = trace_results.of_checkpoints(compared) if compared.is_file() else {}
    for target, about in targets.items():
        at = settings["attribution"]["checkpoint"]
        print(f"\n{target} ({', '.join(about['units'])}), influence at checkpoint {names[at]}")
        print(f"  {kind} of highest influence:")
        for best in found[target].highest if target in found else []:
            print(f"    {best}")
        if (target, at) in approximate:
            print(f"  approximate: {approximate[target, at]}")
        for step, line in agreement.get(target, []):
            print(f"  checkpoint {names[step]}: {line}")
            if (target, step) in approximate:
                print(f"    approximate: {approximate[target, step]}")
    _tell_places(results, documents if documents.is_file() else rows)


def _present(path: Path) -> Path:
    if not path.is_file():
        raise UserError(f"{path}: is not there, so nothing is finished here; run `mda run` first")
    return path


def _tell_places(results: Path, scores: Path) -> None:
    browser = results / "samples" / "index.html"
    places = {
        "report": results / "report.html",
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
    report = results / "report.html"
    look = f"open {report} in a browser, and {browser}" if report.exists() else f"open {browser} in a browser"
    print(f"\nnext: {look} to read the samples token by token")
