"""How the texts of a trace's report begin, and where the sample browser on its page has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from urllib.parse import urlencode

from mda.report.trace_results import Ends, Line, value
from mda.runtime import parquet

# Characters of a text that are told, and those that are read, for white space is left out.
TOLD, READ = 90, 400
# Whole documents that are held at a time.
DOCUMENTS = 1024


def of_documents(
    ends: Mapping[str, Ends], samples: Path, train_rows: Path, documents: Path
) -> dict[str, Ends]:
    """Lines of documents with the beginning of their text, and their row of most influence in the browser.

    Args:
        samples: samples/tokens.parquet, the rows that the sample browser has.
        train_rows: tokens/train.rows.parquet, whose rows are of one document each.
        documents: corpus/documents.parquet.
    """
    numbers = sorted({line.number for both in ends.values() for line in (*both.highest, *both.lowest)})
    texts = {
        number: str(text)[:READ]
        for batch in parquet.read_batches_in(documents, "document", numbers, ["document", "text"], DOCUMENTS)
        for number, text in zip(*batch.to_pydict().values(), strict=True)
    }
    shown = parquet.read_table(samples, ["target", "row", "influence"]).to_pylist()
    owners = _owners(train_rows, {line["row"] for line in shown})
    rows: dict[tuple[str, int], list[tuple[float, int]]] = {}
    for line in shown:
        rows.setdefault((line["target"], owners[line["row"]]), []).append((line["influence"], line["row"]))

    def told(target: str, line: Line, most: Callable[..., tuple[float, int]]) -> Line:
        mine = rows.get((target, line.number))
        sample = _address(target, most(mine)[1]) if mine else ""
        return line._replace(words=value(texts.get(line.number, ""), TOLD), sample=sample)

    return {
        target: both._replace(
            highest=[told(target, line, max) for line in both.highest],
            lowest=[told(target, line, min) for line in both.lowest],
        )
        for target, both in ends.items()
    }


def _owners(train_rows: Path, rows: Iterable[int]) -> dict[int, int]:
    """The document of each row."""
    return {
        row: documents[0]
        for batch in parquet.read_batches_in(train_rows, "row", sorted(rows), ["row", "documents"])
        for row, documents in zip(*batch.to_pydict().values(), strict=True)
    }


def of_rows(ends: Mapping[str, Ends], samples: Path) -> dict[str, Ends]:
    """The lines of rows with the beginning of their text and their place, where the browser has them."""
    shown = parquet.read_table(samples, ["target", "row", "pieces"]).to_pylist()
    texts = {(line["target"], line["row"]): "".join(line["pieces"])[:READ] for line in shown}

    def told(target: str, line: Line) -> Line:
        text = texts.get((target, line.number))
        if text is None:
            return line
        return line._replace(words=value(text, TOLD), sample=_address(target, line.number))

    return {
        target: both._replace(
            highest=[told(target, line) for line in both.highest],
            lowest=[told(target, line) for line in both.lowest],
        )
        for target, both in ends.items()
    }


def _address(target: str, row: int) -> str:
    return urlencode({"target": target, "side": "both", "row": row})
