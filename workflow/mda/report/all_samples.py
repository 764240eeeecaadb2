"""The browser of all scored samples: a page, and the files beside it that it loads when it needs them.

A page that is opened as a file may not read others, but may run scripts that lie beside it. So the columns
and the texts are scripts, each of which hands the page one piece of data.
"""

from __future__ import annotations

import base64
import itertools
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jinja2.utils import htmlsafe_json_dumps

from mda.report import html_page
from mda.runtime import database, files
from mda.runtime.database import Database
from mda.runtime.errors import UserError

# Texts of a file: a page of 20 samples reads as many files at most, a search all of them.
A_FILE = 256


@dataclass(frozen=True)
class Scored:
    """The scored samples, in the order in which the run read them.

    Attributes:
        columns: step, row, loss, label (a number of `labels`), each of shape (samples,).
        influence: by target, and by checkpoint where there are several, in their order, each of shape
            (samples,).
        labels: the labels, each once.
    """

    columns: dict[str, np.ndarray]
    influence: dict[str, np.ndarray]
    labels: list[str]


def named(target: str, checkpoint: str, checkpoints: int) -> str:
    """What a target is called: by itself, and with the checkpoint where there are several."""
    return target if checkpoints == 1 else f"{target} at {checkpoint}"


def read(data: Database, scores: Mapping[str, Path], targets: Sequence[str]) -> Scored:
    """Read scores, one target at a time; the arrays are files in the folder of `data`.

    Args:
        scores: scores/scores.parquet, and those of the same samples at other checkpoints, by the
            checkpoint's name. Loss is of the first.

    Raises:
        UserError: when the tables are not of the same samples.
    """
    influence: dict[str, np.ndarray] = {}
    columns: dict[str, np.ndarray] = {}
    labels: dict[str, int] = {}
    for (checkpoint, path), target in itertools.product(scores.items(), targets):
        names = ["influence", "row"] if columns else ["influence", "step", "row", "loss", "label"]
        found = _on_disk(_in_order(data, path, target, names), data.folder / f"{len(influence)}", labels)
        influence[named(target, checkpoint, len(scores))] = found.pop("influence")
        columns = columns or found
        if not np.array_equal(found["row"], columns["row"]):
            raise UserError(
                f"{path}: has other samples than the scores of the first checkpoint; delete it and run again"
            )
    return Scored(columns, influence, list(labels))


def _in_order(data: Database, scores: Path, target: str, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    return data.ask(
        f"select {', '.join(names)} from {database.table(scores)} where target = $1 order by step, row",
        [target],
    )


def _on_disk(
    batches: Iterable[pa.RecordBatch], folder: Path, labels: dict[str, int]
) -> dict[str, np.ndarray]:
    """The columns as files in a folder, of labels their numbers; a new label gets the next."""
    folder.mkdir()
    kinds: dict[str, str] = {}
    for batch in batches:
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if name == "label":
                coded = column.dictionary_encode()
                known = [labels.setdefault(str(label), len(labels)) for label in coded.dictionary.to_pylist()]
                values = np.array(known)[np.asarray(coded.indices)]
            else:
                values = column.to_numpy()
            kinds[name] = "<f4" if name in ("influence", "loss") else "<u4"
            with (folder / name).open("ab") as stream:
                stream.write(values.astype(kinds[name]).tobytes())
    return {name: np.memmap(folder / name, kind, mode="r") for name, kind in kinds.items()}


def write(
    folder: Path,
    template: Path,
    scored: Scored,
    texts: Iterable[Sequence[Sequence[Any]]],
    facts: dict[str, Any],
) -> None:
    """Write the page, `folder`/index.html, and the files that it loads.

    Args:
        template: workflow/report/all_samples.html.j2.
        texts: of `A_FILE` samples at a time, in the order of `scored`: its text, how many tokens of it are
            predicted, whether the text is cut, and then what `facts` names under `sources`.
        facts: what else the page tells; see the step.
    """
    count = len(scored.columns["row"])
    # The page must not call a search through parts of the texts one through all.
    cut = False
    folder.mkdir()
    kept = folder / "tokens"
    tokens = np.memmap(kept, "<u4", mode="w+", shape=count)
    for number, part in enumerate(texts):
        cut = cut or any(sample[2] for sample in part)
        tokens[number * A_FILE : number * A_FILE + len(part)] = [sample[1] for sample in part]
        shown = [[sample[0], *sample[2:]] for sample in part]
        coded = zlib.compress(json.dumps(shown, separators=(",", ":")).encode("ascii"), 1)
        _script(folder / f"texts-{number:06d}.js", "texts", number, base64.b64encode(coded).decode())
    every = {**scored.columns, "tokens": tokens}
    for name, column in every.items():
        _column(folder, name, column)
    kept.unlink()
    for number, column in enumerate(scored.influence.values()):
        _column(folder, f"influence-{number}", column)
    _script(folder / "labels.js", "column", "labels", scored.labels)
    facts = {**facts, "count": count, "cut": cut}
    data = htmlsafe_json_dumps({**facts, "a_file": A_FILE}, separators=(",", ":"))
    page = html_page.render(template, data=data, **facts)
    (folder / "index.html").write_text(page, encoding="utf-8")
    (folder / "made_by.json").write_text(files.made_by() + "\n", encoding="utf-8")


def parts(count: int) -> Iterator[slice]:
    """The samples of each file of texts."""
    for start in range(0, count, A_FILE):
        yield slice(start, min(start + A_FILE, count))


def _column(folder: Path, key: str, column: np.ndarray) -> None:
    """Numbers in base64; of a multiple of three of them it goes on where it ended."""
    with (folder / f"column-{key}.js").open("w", encoding="ascii") as stream:
        stream.write(f'SAMPLES("column","{key}","')
        for begin in range(0, len(column), 3 * 2**18):
            stream.write(base64.b64encode(column[begin : begin + 3 * 2**18].tobytes()).decode())
        stream.write('");\n')


def _script(path: Path, kind: str, key: str | int, data: Any) -> None:
    # ASCII, as the page's own data: whatever a label holds, it stays a string.
    told = ",".join(str(htmlsafe_json_dumps(part, separators=(",", ":"))) for part in (kind, key, data))
    path.write_text(f"SAMPLES({told});\n", encoding="ascii")
