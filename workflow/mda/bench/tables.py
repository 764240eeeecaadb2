"""Memory and time of the steps that read all scores, by the number of samples; scores are made up.

    python -m mda.bench.tables prepare FOLDER SAMPLES
    python -m mda.bench.tables STEP FOLDER SAMPLES

The second does one of `STEPS` and prints its seconds, CPU-seconds and peak of resident memory, in bytes, with
that of the libraries and of pages of files that the system may drop.
"""

from __future__ import annotations

import json
import math
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mda.bench.timing import table
from mda.config import sections
from mda.runtime import files, parquet

GIB = 2**30
# Tokens of a row, samples of a shard and of a piece that is written, and labels.
CONTEXT, SHARD, PIECE, LABELS = 8, 10**6, 2**18, 12
TARGET, FRACTION, SEED, CONFIDENCE = "head", 0.1, 0, 0.95
# Steps of the made-up run.
STEPS_OF_RUN = 1000


def prepare(place: Path, number: int) -> None:
    """What the steps read: a store of short rows, each a document with an id, their order, and shards."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel

    place.mkdir(parents=True)
    words = {"<eos>": 0, "<unk>": 1, **{f"w{token}": token for token in range(2, 64)}}
    Tokenizer(WordLevel(words, "<unk>")).save(str(place / "tokenizer.json"))
    found = {"units": ["L1H0"], "scores": {"L1H0": {"prefix_matching": 0.5}}}
    files.write_json(place / "targets.json", {"targets": {TARGET: found}})
    files.write_text(place / "config.yaml", json.dumps(CATALYSTS))
    store = np.lib.format.open_memmap(
        place / "train.npy", mode="w+", dtype=np.uint16, shape=(number, CONTEXT + 1)
    )
    generator = np.random.default_rng(SEED)
    for part in _parts(number, PIECE):
        store[part] = generator.integers(2, 64, (part.stop - part.start, CONTEXT + 1))
    store.flush()
    parquet.write_tables(place / "rows.parquet", (_rows(part) for part in _parts(number, PIECE)))
    parquet.write_tables(place / "documents.parquet", (_documents(part) for part in _parts(number, PIECE)))
    parquet.write_tables(place / "order.parquet", (_order(part, number) for part in _parts(number, PIECE)))
    for place_of, part in enumerate(_parts(number, SHARD)):
        parquet.write_table(place / "shards" / f"{place_of:05d}.parquet", _scores(part, number))


def _parts(number: int, size: int) -> Iterator[slice]:
    for begin in range(0, number, size):
        yield slice(begin, min(begin + size, number))


def _numbers(part: slice) -> np.ndarray:
    return np.arange(part.start, part.stop)


def _labels(rows: np.ndarray) -> pa.Array:
    words = pa.array([f"label {place}" for place in range(LABELS)])
    return words.take(pa.array(rows % LABELS))


def _rows(part: slice) -> pa.Table:
    rows = _numbers(part)
    ones = np.arange(len(rows) + 1)
    return pa.table(
        {
            "row": rows,
            "label": _labels(rows),
            "purity": np.ones(len(rows)),
            "documents": pa.ListArray.from_arrays(ones, rows),
            "offsets": pa.ListArray.from_arrays(ones, np.zeros(len(rows), np.int64)),
            "first_token": np.zeros(len(rows), np.int64),
            "tokens": np.full(len(rows), CONTEXT + 1),
        }
    )


def _documents(part: slice) -> pa.Table:
    rows = _numbers(part)
    names = pa.array(rows).cast(pa.string())
    return pa.table(
        {
            "document": rows,
            "text": pa.repeat("some text", len(rows)),
            "label": _labels(rows),
            "origin": pc.binary_join_element_wise("made-up.jsonl:", names, ""),
            "split": pa.repeat("train", len(rows)),
            "id": pc.binary_join_element_wise("id-", names, ""),
        }
    )


def _stream(part: slice, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Steps and rows: each row once, in an order that looks like chance."""
    places = _numbers(part)
    factor = next(
        factor
        for factor in range(max(3, int(0.618 * number)), 2 * number + 3)
        if math.gcd(factor, number) == 1
    )
    return places * STEPS_OF_RUN // number, places * factor % number


def _order(part: slice, number: int) -> pa.Table:
    step, row = _stream(part, number)
    role = pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(row)), pa.int8()), pa.array(["train"]))
    return pa.table({"step": step, "update": np.zeros_like(step), "slot": row, "row": row, "role": role})


def _scores(part: slice, number: int) -> pa.Table:
    step, row = _stream(part, number)
    generator = np.random.default_rng([SEED, part.start])
    # Heavy at the end, and to three digits, so that there are ties.
    values = generator.standard_t(3, size=(3, len(row))).round(3).astype(np.float32)
    parts = dict(zip(("qk", "v", "o"), values, strict=True))
    loss = generator.gamma(9.0, size=len(row)).astype(np.float32)
    told = {"step": step, "row": row, "target": pa.repeat(TARGET, len(row)), "influence": values.sum(axis=0)}
    return pa.table({**told, **parts, "loss": loss})


def _merge(place: Path, number: int) -> None:
    from mda.steps.attribution import merge_scores

    shards = sorted((place / "shards").glob("*.parquet"))
    blocks = {TARGET: ["qk", "v", "o"]}
    merge_scores.merge(shards, place / "rows.parquet", number, blocks, place / "scores.parquet")


def _select(place: Path, number: int) -> None:
    del number
    _selected(place, "influence", [place / "scores.parquet"], None, place / "selection.parquet")


def _own(place: Path, number: int) -> None:
    del number
    # A table of scores is one that a user may name.
    own = place / "scores.parquet"
    _selected(place, "own", [], own, place / "own.parquet")


def _selected(place: Path, method: str, scores: list[Path], own: Path | None, out: Path) -> None:
    from mda.steps.interventions import select

    select.select(
        method, FRACTION, place / "order.parquet", place / "train.npy", place / "rows.parquet",
        place / "tokenizer.json", WINDOW, TARGET, None, None, scores, [], SEED, 80, out,
        None if own is None else str(own),
    )  # fmt: skip


def _label_figure(place: Path, number: int) -> None:
    from mda.steps.figures import labels

    del number
    labels.draw(
        place / "order.parquet", place / "rows.parquet", [place / "selection.parquet"],
        [f"influence-{TARGET}"], WINDOW, TARGET, None, 150, [place / "labels.png"], place / "labels.csv",
    )  # fmt: skip


def _recovery(place: Path, number: int) -> None:
    from mda.steps.studies import recovery

    del number
    recovery.make(
        [place / "scores.parquet"], [place / "train.npy"], [place / "targets.json"],
        [place / "config.yaml"], ["made-up"], "label 0", "label 1", FRACTION, CONFIDENCE,
        place / "recovery.csv",
    )  # fmt: skip


def _document_scores(place: Path, number: int) -> None:
    from mda.steps.attribution import document_scores

    del number
    document_scores.collect(
        place / "scores.parquet", place / "rows.parquet", place / "documents.parquet",
        place / "by-document.parquet",
    )  # fmt: skip


def _enrichment(place: Path, number: int) -> None:
    from mda.steps.studies import enrichment

    del number
    enrichment.make(
        place / "scores.parquet", place / "train.npy", place / "tokenizer.json", WINDOW, FRACTION, SEED,
        CONFIDENCE, place / "enrichment.csv",
    )  # fmt: skip


def _tail(place: Path, number: int) -> None:
    from mda.steps.studies import tail

    del number
    tail.make(place / "scores.parquet", FRACTION, SEED, CONFIDENCE, place / "tail.csv")


def _agreement(place: Path, number: int) -> None:
    from mda.steps.studies import agreement

    del number
    # With themselves: what is held and done does not depend on how they agree.
    scores = place / "scores.parquet"
    agreement.make(scores, [scores], ["seed-1"], FRACTION, CONFIDENCE, place / "agreement.csv")


def _figure(place: Path, number: int) -> None:
    from mda.steps.figures import influence

    del number
    influence.draw(place / "scores.parquet", TARGET, None, 150, [place / "influence.png"])


def _report(place: Path, number: int) -> None:
    from mda.report import trace_page, trace_results

    del number
    trace_results.of_rows(place / "scores.parquet", trace_page.TOLD)
    trace_results.of_documents(place / "by-document.parquet", 1, trace_page.TOLD)


def _browser(place: Path, number: int) -> None:
    from mda.steps.report import all_samples

    del number
    shutil.rmtree(place / "all", ignore_errors=True)
    templates = Path(__file__).parents[2] / "report"
    all_samples.write(
        place / "scores.parquet", [], place / "targets.json", place / "train.npy", place / "tokenizer.json",
        [place / "rows.parquet"], [place / "documents.parquet"], False, [templates / "all_samples.html.j2"],
        "made-up", "0", [], True, "ekfac", WINDOW, 80, 20, place / "all",
    )  # fmt: skip
    shutil.rmtree(place / "all")


# What the study of known catalysts asks of a configuration.
CATALYSTS = {
    "targets": [{"name": TARGET, "metric": "prefix_matching"}],
    "evidence": {"threshold": 0.3},
    "corpus": {
        "synthetic": {
            "sources": [{"label": "label 0", "share": 1 / LABELS, "motif": [4, 4]}],
            "words_per_document": CONTEXT,
        }
    },
}
WINDOW = sections.Window(start=0, stop=STEPS_OF_RUN, branch=None)

STEPS: dict[str, tuple[str, Callable[[Path, int], None]]] = {
    "merge": ("join the shards", _merge),
    "select": ("select the top 10 %", _select),
    "own": ("select the top 10 % of a table of one's own", _own),
    "labels": ("labels of all and of the selected", _label_figure),
    "documents": ("influence, ranks and percentiles of documents", _document_scores),
    "enrichment": ("labels and features at both ends", _enrichment),
    "tail": ("tail of the influence", _tail),
    "agreement": ("rank correlation of two attributions", _agreement),
    "recovery": ("known catalysts against the rest, by three scores", _recovery),
    "figure": ("figure of the influence", _figure),
    "report": ("both ends, as the report has them", _report),
    "browser": ("the browser of all samples", _browser),
}


def measured(step: str, place: Path, number: int) -> tuple[float, float]:
    """CPU-seconds of a step, and GiB at its peak, in a process of its own."""
    command = [sys.executable, "-m", "mda.bench.tables", step, str(place), str(number)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    _, seconds, peak = done.stdout.split()
    return float(seconds), int(peak) / GIB


def by_samples(folder: Path, numbers: Sequence[int]) -> str:
    """A table: GiB and CPU-seconds of each step, for each number of samples."""
    found: dict[str, list[str]] = {name: [] for name in STEPS}
    for number in numbers:
        place = folder / f"{number}-scores"
        try:
            prepare(place, number)
            for name in STEPS:
                seconds, peak = measured(name, place, number)
                found[name] += [f"{peak:.2f}", f"{seconds:.0f}"]
        finally:
            shutil.rmtree(place, ignore_errors=True)
    head = [f"{number:,} samples: {what}" for number in numbers for what in ("GiB", "CPU-s")]
    return table(["step", *head], [[about, *found[name]] for name, (about, _) in STEPS.items()])


def main(arguments: list[str]) -> None:
    """Prepare, or do a step and print its seconds and its peak."""
    what, folder, given = arguments
    if what == "prepare":
        prepare(Path(folder), int(given))
        return
    begun = time.monotonic()
    STEPS[what][1](Path(folder), int(given))
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(f"{time.monotonic() - begun:.1f} {used.ru_utime + used.ru_stime:.1f} {used.ru_maxrss * 1024}")


if __name__ == "__main__":
    main(sys.argv[1:])
