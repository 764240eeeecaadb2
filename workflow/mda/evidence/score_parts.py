"""Scores that are read some lines at a time, and exact facts about all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from mda.runtime import parquet

# Lines in parts, anew each time it is called, in the order of the run.
Parts = Callable[[], Iterator[pd.DataFrame]]


def of_target(path: Path, target: str, columns: Sequence[str], steps: tuple[int, int] | None = None) -> Parts:
    """A target's lines of a table of scores, of which no more than a part is held.

    Args:
        steps: from, to before; None for all.
    """
    read = [*columns, *([] if steps is None else ["step"])]

    def parts() -> Iterator[pd.DataFrame]:
        for batch in parquet.read_batches_where(path, "target", target, list(dict.fromkeys(read))):
            part = pa.Table.from_batches([batch]).to_pandas()
            if steps is not None:
                part = part[(part["step"] >= steps[0]) & (part["step"] < steps[1])]
            yield part.reset_index(drop=True)

    return parts


def of_targets(path: Path, columns: Sequence[str], steps: tuple[int, int] | None = None) -> dict[str, Parts]:
    """The same of every target."""
    return {target: of_target(path, target, columns, steps) for target in parquet.words_of(path, "target")}


def of_frame(scores: pd.DataFrame) -> Parts:
    """A table that is held already, as one part."""
    return lambda: iter([scores])


def numbers(parts: Parts, sign: int = 1) -> Iterator[np.ndarray]:
    """Influence, or that with the other sign, in double precision."""
    return (sign * part["influence"].to_numpy(float) for part in parts())


def highest(given: Callable[[], Iterator[np.ndarray]], number: int) -> float:
    """The number which is at this place, from 1, when they fall; none may be nan.

    Its bits are found sixteen at a time, each with a count of all: no number is kept.
    """
    left, found = number, np.uint64(0)
    for shift in (48, 32, 16, 0):
        counts = np.zeros(2**16, np.int64)
        for part in given():
            keys = _ordered_bits(part)
            if shift < 48:
                keys = keys[keys >> np.uint64(shift + 16) == found]
            counts += np.bincount((keys >> np.uint64(shift)) & np.uint64(2**16 - 1), minlength=2**16)
        above = np.cumsum(counts[::-1])
        place = int(np.searchsorted(above, left))
        left -= int(above[place - 1]) if place else 0
        found = (found << np.uint64(16)) | np.uint64(2**16 - 1 - place)
    return _number_of(found)


_SIGN = np.uint64(2**63)


def _ordered_bits(values: np.ndarray) -> np.ndarray:
    """Whole numbers in the order of the values: bits of positive ones after those of negative ones."""
    bits = np.ascontiguousarray(values, np.float64).view(np.uint64)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def _number_of(key: np.uint64) -> float:
    bits = key ^ _SIGN if key & _SIGN else ~key
    return float(np.array([bits], np.uint64).view(np.float64)[0])


def top(parts: Parts, number: int, sign: int = 1) -> Parts:
    """The lines of highest influence, or of lowest with a sign of -1; of ties the first in the run."""
    bound = highest(lambda: numbers(parts, sign), number)
    ties = number - sum(int((part > bound).sum()) for part in numbers(parts, sign))

    def chosen() -> Iterator[pd.DataFrame]:
        left = ties
        for part in parts():
            values = sign * part["influence"].to_numpy(float)
            equal = values == bound
            kept = (values > bound) | (equal & (np.cumsum(equal) <= left))
            left -= min(left, int(equal.sum()))
            yield part[kept].reset_index(drop=True)

    return chosen


def lines_at(parts: Parts, places: np.ndarray) -> pd.DataFrame:
    """The lines at some places of all, in the order of the places."""
    order = np.argsort(places, kind="stable")
    ascending, begin, found = places[order], 0, []
    for part in parts():
        first, last = np.searchsorted(ascending, [begin, begin + len(part)])
        found.append(part.iloc[ascending[first:last] - begin])
        begin += len(part)
    return pd.concat(found, ignore_index=True).iloc[np.argsort(order, kind="stable")].reset_index(drop=True)


class Label(NamedTuple):
    """Samples of a label: their number, and mean and spread (of all of them) of their influence."""

    samples: int
    mean: float
    spread: float


def by_label(part: pd.DataFrame) -> Iterator[tuple[str, np.ndarray]]:
    """Influence of the samples of each label, in a part."""
    codes, labels = pd.factorize(part["label"])
    values = part["influence"].to_numpy(float)
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(labels)))
    for place, label in enumerate(labels):
        yield str(label), values[order[ends[place - 1] if place else 0 : ends[place]]]


def labels(parts: Parts) -> dict[str, Label]:
    """Facts about each label, in the order in which the labels come."""
    counts: dict[str, int] = {}
    sums: dict[str, list[float]] = {}
    for part in parts():
        for label, values in by_label(part):
            counts[label] = counts.get(label, 0) + len(values)
            sums.setdefault(label, []).append(float(values.sum()))
    means = {label: math.fsum(parts_of) / counts[label] for label, parts_of in sums.items()}
    squares: dict[str, list[float]] = {label: [] for label in means}
    for part in parts():
        for label, values in by_label(part):
            squares[label].append(float(np.square(values - means[label]).sum()))
    return {
        label: Label(counts[label], means[label], math.sqrt(math.fsum(squares[label]) / counts[label]))
        for label in means
    }


def ends(parts: Parts) -> tuple[int, float, float]:
    """How many samples there are, their lowest influence and their highest."""
    count, low, high = 0, math.inf, -math.inf
    for part in numbers(parts):
        count += len(part)
        low, high = min(low, part.min(initial=low)), max(high, part.max(initial=high))
    return count, float(low), float(high)
