"""The distribution of influence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from mda.figures import panels, style

# Influence as it would be if that of each label were normal: so many quantiles of each, and some more.
QUANTILES = 2000
# Labels that are drawn apart; the rest are together.
LABELS = 6


def draw(scores: pd.DataFrame, notes: Sequence[str] = ()) -> Figure:
    """A target's influence: by label, its upper tail, and the share of the positive sum it adds up to.

    Dotted lines are what would be if the influence of every label were normal, of its mean and spread.

    Args:
        scores: columns label and influence.
        notes: sentences on the scores, which stand above; see `mda.evidence.score_notes`.
    """
    figure, [(left, middle, right)] = panels.grid(1, 3, 2.1 + 0.15 * len(notes), least=1.8)
    if notes:
        figure.suptitle("\n".join(notes), fontsize=7)
    reference = _normal(scores)
    _histogram(left, scores)
    _tail(middle, scores["influence"].to_numpy(float), reference)
    _shares(right, scores["influence"].to_numpy(float), reference)
    style.tell(figure, f"Influence of {len(scores)} samples")
    return figure


def _normal(scores: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Values that are normal within each label, the highest first, and the share of samples that each is."""
    values, weights = [], []
    # Evenly, and ever finer where the highest are.
    upper = 1 - np.geomspace(1 / QUANTILES, 1e-7, 60)
    edges = np.concatenate([np.linspace(0, upper[0], QUANTILES), upper[1:], [1.0]])
    places = (edges[1:] + edges[:-1]) / 2
    for _, part in scores.groupby("label")["influence"]:
        values.append(stats.norm.ppf(places, part.mean(), max(float(part.std(ddof=0)), 1e-30)))
        weights.append(np.diff(edges) * len(part) / len(scores))
    order = np.argsort(-np.concatenate(values))
    return np.concatenate(values)[order], np.concatenate(weights)[order]


def _histogram(axis: Any, scores: pd.DataFrame) -> None:
    low, high = np.quantile(scores["influence"], [0.001, 0.999])
    if low == high:
        # A bar that can be seen.
        low, high = low - 0.01 * max(abs(low), 1e-3), high + 0.01 * max(abs(high), 1e-3)
    edges = np.linspace(low, high, 60)
    counts = scores["label"].value_counts()
    shown = list(counts.index[:LABELS])
    bars, told = [], []
    for place, label in enumerate(shown):
        part = scores.loc[scores["label"] == label, "influence"].to_numpy(float)
        color, dash = style.LABEL_GREYS[place], style.LABEL_DASHES[place % len(style.LABEL_DASHES)]
        # Filled histograms hide each other when there are many.
        kind: dict[str, Any] = (
            {"alpha": 0.6, "hatch": style.LABEL_HATCHES[place], "edgecolor": "white", "linewidth": 0}
            if len(shown) <= 3
            else {"histtype": "step", "linewidth": 1.1, "linestyle": dash}
        )
        bars.append(axis.hist(part, edges, color=color, **kind)[2][0])
        if part.std() > 0:
            expected = len(part) * np.diff(stats.norm.cdf(edges, part.mean(), part.std()))
            axis.plot((edges[1:] + edges[:-1]) / 2, expected, color=color, linestyle=":", linewidth=1.0)
        told.append(
            f"{style.shown(label)}: {len(part)} samples, mean {part.mean():.3g}, spread {part.std():.3g}"
        )
    outside = int(((scores["influence"] < low) | (scores["influence"] > high)).sum())
    axis.axvline(0, color="0.5", linewidth=0.6)
    axis.locator_params(axis="x", nbins=3)
    axis.set_title("by label")
    axis.set_xlabel("influence" + (f"\n({outside} samples beyond)" if outside else ""))
    axis.set_ylabel("samples")
    # By name, or labels that begin with an underscore are left out.
    names = [style.shown(label) for label in shown]
    names[-1] += f" (and {len(counts) - len(shown)} more labels)" if len(counts) > len(shown) else ""
    axis.legend(bars, names, fontsize=7, handlelength=1.0, loc="upper right", borderaxespad=0.0)
    style.tell(axis, "; ".join(told))


def _tail(axis: Axes, values: np.ndarray, reference: tuple[np.ndarray, np.ndarray]) -> None:
    """Share of samples above an influence, both on a logarithmic scale."""
    axis.set_title("upper tail")
    axis.set_xlabel("influence of at least")
    axis.set_ylabel("share of samples")
    ranked = np.sort(values)[::-1]
    positive = ranked[ranked > 0]
    if not len(positive):
        axis.text(0.5, 0.5, "none is positive", ha="center", va="center", transform=axis.transAxes)
        return
    rank = np.arange(1, len(positive) + 1) / len(ranked)
    axis.plot(positive, rank, color="black", linewidth=1.2, label="samples")
    expected, weights = reference
    above = (expected > 0) & (np.cumsum(weights) >= rank[0])
    axis.plot(
        expected[above], np.cumsum(weights)[above], color="black", linestyle=":", linewidth=1.0,
        label="normal in each label",
    )  # fmt: skip
    axis.set_xscale("log")
    axis.set_yscale("log")
    for one in (axis.xaxis, axis.yaxis):
        # Powers of ten in digits: no text is a formula here.
        one.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        one.set_minor_formatter(ticker.NullFormatter())
    # The largest decade and a half: below, nothing is to be seen.
    axis.set_xlim(max(positive[-1], positive[0] / 30), 1.3 * max(positive[0], expected[0]))
    axis.set_ylim(0.6 * rank[0], 1.0)
    axis.legend(fontsize=7, loc="lower left")
    style.tell(
        axis, f"the largest is {positive[0]:.3g}, the median of the positive {np.median(positive):.3g}"
    )


def _shares(axis: Axes, values: np.ndarray, reference: tuple[np.ndarray, np.ndarray]) -> None:
    """The share of the positive sum that the highest samples add up to."""
    ranked = np.sort(values)[::-1]
    share = _cumulated(ranked, np.full(len(ranked), 1 / len(ranked)))
    rank = np.arange(1, len(ranked) + 1) / len(ranked)
    axis.plot(100 * rank, share, color="black", linewidth=1.2)
    expected, weights = reference
    if expected[0] > 0:
        axis.plot(
            100 * np.cumsum(weights),
            _cumulated(expected, weights),
            color="black",
            linestyle=":",
            linewidth=1.0,
        )
    tenth = share[max(0, round(0.1 * len(ranked)) - 1)]
    axis.plot([10, 10, 0], [0, tenth, tenth], color="0.5", linewidth=0.8)
    told = f"top 10 %: {100 * tenth:.0f} %" if ranked[0] > 0 else "none is positive"
    axis.annotate(told, (10, tenth), xytext=(14, max(0.02, tenth - 0.06)))
    axis.set_title("what adds up")
    axis.set_xlabel("top samples (%)")
    axis.set_ylabel("share of positive influence")
    axis.set_ylim(0, 1.02)
    style.tell(axis, told)


def _cumulated(ranked: np.ndarray, weights: np.ndarray) -> np.ndarray:
    positive = np.clip(ranked, 0, None) * weights
    return np.cumsum(positive) / max(positive.sum(), np.finfo(float).tiny)
