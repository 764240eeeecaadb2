"""The distribution of influence."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib import ticker
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from mda.evidence import score_parts
from mda.evidence.score_parts import Parts
from mda.figures import panels, style

# Influence as it would be if that of each label were normal: so many quantiles of each, and some more.
QUANTILES = 2000
# Labels that are drawn apart; the rest are together.
LABELS = 6


class Curve(NamedTuple):
    """Samples by influence, which falls: the influence of some, and the share of samples with at least it.

    Attributes:
        value, rank: shape (points,).
        cumulated: the share of the positive sum of these samples.
        tenth: that of the top tenth.
    """

    value: np.ndarray
    rank: np.ndarray
    cumulated: np.ndarray
    tenth: float


# Of more samples, the curves have so many points, spread over their ranks and over the logarithm of these.
POINTS = 100_000


def draw(parts: Parts, falling: Callable[[], Iterator[np.ndarray]], notes: Sequence[str] = ()) -> Figure:
    """A target's influence: by label, its upper tail, and the share of the positive sum it adds up to.

    Dotted lines are what would be if the influence of every label were normal, of its mean and spread.

    Args:
        parts: label and influence of the samples.
        falling: influence of them all, in parts, the highest first.
        notes: sentences on the scores, which stand above; see `mda.evidence.score_notes`.
    """
    labels = score_parts.labels(parts)
    # Higher by the legend and the notes.
    height = 2.2 + 0.15 * (min(len(labels), LABELS) // 3 + len(notes))
    figure, [(left, middle, right)] = panels.grid(1, 3, height, least=1.8)
    if notes:
        figure.suptitle("\n".join(notes), fontsize=7)
    reference, curve = _normal(labels), curve_of(falling, sum(label.samples for label in labels.values()))
    named = _histogram(left, parts, labels) + _tail(middle, parts, curve, reference)
    _shares(right, curve, reference)
    style.legend_below(figure, named)
    count = sum(label.samples for label in labels.values())
    style.tell(figure, f"Influence of {count} samples")
    return figure


def curve_of(falling: Callable[[], Iterator[np.ndarray]], count: int) -> Curve:
    """The curve through all samples, or through `POINTS` of them and the last that is positive."""
    positive = math.fsum(float(part.clip(min=0).sum()) for part in falling())
    above = sum(int((part > 0).sum()) for part in falling())
    tenth = max(0, round(0.1 * count) - 1)
    if count <= POINTS:
        places = np.arange(count)
    else:
        even, fine = np.linspace(0, count - 1, POINTS // 2), np.geomspace(1, count, POINTS // 2) - 1
        asked = np.concatenate([even, fine, [tenth, max(0, above - 1)]])
        places = np.unique(asked.round().astype(np.int64))
    begin, before, values, sums = 0, 0.0, [], []
    for part in falling():
        mine = places[(places >= begin) & (places < begin + len(part))] - begin
        total = before + np.cumsum(part.clip(min=0))
        values.append(part[mine])
        sums.append(total[mine])
        begin, before = begin + len(part), float(total[-1])
    cumulated = np.concatenate(sums) / max(positive, np.finfo(float).tiny)
    share = float(cumulated[np.searchsorted(places, tenth)])
    return Curve(np.concatenate(values), (places + 1) / count, cumulated, share)


def _normal(labels: Mapping[str, score_parts.Label]) -> tuple[np.ndarray, np.ndarray]:
    """Values that are normal within each label, the highest first, and the share of samples that each is."""
    values, weights = [], []
    # Evenly, and ever finer where the highest are.
    upper = 1 - np.geomspace(1 / QUANTILES, 1e-7, 60)
    edges = np.concatenate([np.linspace(0, upper[0], QUANTILES), upper[1:], [1.0]])
    places = (edges[1:] + edges[:-1]) / 2
    count = sum(label.samples for label in labels.values())
    for _, label in sorted(labels.items()):
        values.append(stats.norm.ppf(places, label.mean, max(label.spread, 1e-30)))
        weights.append(np.diff(edges) * label.samples / count)
    order = np.argsort(-np.concatenate(values))
    return np.concatenate(values)[order], np.concatenate(weights)[order]


def _quantile(parts: Parts, count: int, share: float) -> float:
    """Linear between the two numbers at its sides, as numpy.quantile."""
    place = (count - 1) * share
    low, high = (
        score_parts.highest(lambda: score_parts.numbers(parts), count - side)
        for side in (math.floor(place), math.ceil(place))
    )
    return low + (high - low) * (place - math.floor(place))


# What is drawn, and its name in the legend.
Named = list[tuple[Artist, str]]


def _histogram(axis: Any, parts: Parts, labels: Mapping[str, score_parts.Label]) -> Named:
    count = sum(label.samples for label in labels.values())
    low, high = (_quantile(parts, count, share) for share in (0.001, 0.999))
    if low == high:
        # A bar that can be seen.
        low, high = low - 0.01 * max(abs(low), 1e-3), high + 0.01 * max(abs(high), 1e-3)
    edges = np.linspace(low, high, 60)
    # The most frequent, ties by when they come.
    shown = sorted(labels, key=lambda label: -labels[label].samples)[:LABELS]
    counts = {label: np.zeros(len(edges) - 1) for label in shown}
    outside = 0
    for part in parts():
        values = part["influence"].to_numpy(float)
        outside += int(((values < low) | (values > high)).sum())
        for label, mine in score_parts.by_label(part):
            if label in counts:
                counts[label] += np.histogram(mine, edges)[0]
    bars, told = [], []
    for place, label in enumerate(shown):
        found = labels[label]
        color, dash = style.LABEL_GREYS[place], style.LABEL_DASHES[place % len(style.LABEL_DASHES)]
        # Filled histograms hide each other when there are many.
        kind: dict[str, Any] = (
            {"alpha": 0.6, "hatch": style.LABEL_HATCHES[place], "edgecolor": "white", "linewidth": 0}
            if len(shown) <= 3
            else {"histtype": "step", "linewidth": 1.1, "linestyle": dash}
        )
        bars.append(axis.hist(edges[:-1], edges, weights=counts[label], color=color, **kind)[2][0])
        if found.spread > 0:
            expected = found.samples * np.diff(stats.norm.cdf(edges, found.mean, found.spread))
            axis.plot((edges[1:] + edges[:-1]) / 2, expected, color=color, linestyle=":", linewidth=1.0)
        told.append(
            f"{style.shown(label)}: {found.samples} samples, mean {found.mean:.3g}, spread {found.spread:.3g}"
        )
    axis.axvline(0, color="0.5", linewidth=0.6)
    axis.locator_params(axis="x", nbins=3)
    axis.set_title("by label")
    axis.set_xlabel("influence" + (f"\n({outside} samples beyond)" if outside else ""))
    axis.set_ylabel("samples")
    style.tell(axis, "; ".join(told))
    names = [style.shown(label) for label in shown]
    names[-1] += f" (and {len(labels) - len(shown)} more labels)" if len(labels) > len(shown) else ""
    return list(zip(bars, names, strict=True))


def _tail(axis: Axes, parts: Parts, curve: Curve, reference: tuple[np.ndarray, np.ndarray]) -> Named:
    """Share of samples above an influence, both on a logarithmic scale."""
    axis.set_title("upper tail")
    axis.set_xlabel("influence of at least")
    axis.set_ylabel("share of samples")
    positive, rank = curve.value[curve.value > 0], curve.rank[curve.value > 0]
    if not len(positive):
        axis.text(0.5, 0.5, "none is positive", ha="center", va="center", transform=axis.transAxes)
        return []
    [samples] = axis.plot(positive, rank, color="black", linewidth=1.2)
    expected, weights = reference
    above = (expected > 0) & (np.cumsum(weights) >= rank[0])
    [normal] = axis.plot(
        expected[above], np.cumsum(weights)[above], color="black", linestyle=":", linewidth=1.0
    )
    axis.set_xscale("log")
    axis.set_yscale("log")
    for one in (axis.xaxis, axis.yaxis):
        # Powers of ten in digits: no text is a formula here.
        one.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        one.set_minor_formatter(ticker.NullFormatter())
    # The largest decade and a half: below, nothing is to be seen.
    axis.set_xlim(max(positive[-1], positive[0] / 30), 1.3 * max(positive[0], expected[0]))
    axis.set_ylim(0.6 * rank[0], 1.0)
    style.tell(
        axis, f"the largest is {positive[0]:.3g}, the median of the positive {_median_of_positive(parts):.3g}"
    )
    return [(samples, "all samples"), (normal, "if normal in each label")]


def _median_of_positive(parts: Parts) -> float:
    count = sum(int((part > 0).sum()) for part in score_parts.numbers(parts))
    middle = {(count + 1) // 2, count // 2 + 1}
    found = [score_parts.highest(lambda: score_parts.numbers(parts), place) for place in middle]
    return float(np.mean(found))


def _shares(axis: Axes, curve: Curve, reference: tuple[np.ndarray, np.ndarray]) -> None:
    """The share of the positive sum that the highest samples add up to."""
    axis.plot(100 * curve.rank, curve.cumulated, color="black", linewidth=1.2)
    expected, weights = reference
    if expected[0] > 0:
        axis.plot(
            100 * np.cumsum(weights),
            _cumulated(expected, weights),
            color="black",
            linestyle=":",
            linewidth=1.0,
        )
    tenth = curve.tenth
    axis.plot([10, 10, 0], [0, tenth, tenth], color="0.5", linewidth=0.8)
    told = f"top 10 %: {100 * tenth:.0f} %" if curve.value[0] > 0 else "none is positive"
    axis.annotate(told, (10, tenth), xytext=(14, max(0.02, tenth - 0.06)))
    axis.set_title("what adds up")
    axis.set_xlabel("top samples (%)")
    axis.set_ylabel("share of positive influence")
    axis.set_ylim(0, 1.02)
    style.tell(axis, told)


def _cumulated(ranked: np.ndarray, weights: np.ndarray) -> np.ndarray:
    positive = np.clip(ranked, 0, None) * weights
    return np.cumsum(positive) / max(positive.sum(), np.finfo(float).tiny)
