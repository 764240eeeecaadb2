"""What the samples at both ends of the influence are: their labels, and features that need no label."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from mda.evidence import csv_tables, score_table, statistics
from mda.interventions import repetition, selection


def enrichment(
    scores: Mapping[str, pd.DataFrame],
    measured: Callable[[np.ndarray], np.ndarray],
    fraction: float,
    confidence: float,
) -> pd.DataFrame:
    """Labels and features of the samples at both ends, against those of all samples.

    Args:
        scores: from `mda.evidence.score_table.read`, with their labels.
        measured: rows -> `measure` of their samples, or of some of them.
        fraction: the share of samples at an end.

    Returns:
        A line for each target, side ('proponents', the top fraction, or 'opponents'), and label or feature:
        target, side, kind ('label' or 'feature'), the columns of `labels` or `features`, and q.
    """
    lines = []
    for target, mine in scores.items():
        everything = measured(mine["row"].to_numpy())
        number = selection.count(len(mine), fraction)
        for side, sign in (("proponents", 1), ("opponents", -1)):
            chosen = mine.iloc[score_table.top(sign * mine["influence"].to_numpy(), number)]
            place = {"target": target, "side": side}
            found = labels(chosen["label"].tolist(), mine["label"].tolist(), confidence)
            lines += [{**place, "kind": "label", **line} for line in found]
            found = features(measured(chosen["row"].to_numpy()), everything, confidence)
            lines += [{**place, "kind": "feature", **line} for line in found]
    table = pd.DataFrame(lines)
    return table.assign(q=table.groupby("target")["p"].transform(statistics.adjusted))


def longest_repeat(tokens: np.ndarray, text: str) -> float:
    """Length of the longest stretch that occurs twice in the sample, in tokens."""
    del text
    return float(max((stop - start for _, start, stop in repetition.repeat_lags(tokens, 2)), default=0))


def compressibility(tokens: np.ndarray, text: str) -> float:
    """How much shorter zlib makes the tokens, a share of their size."""
    del text
    data = tokens.astype("<u4").tobytes()
    return 1 - len(zlib.compress(data, 9)) / len(data)


def repeated_bigrams(tokens: np.ndarray, text: str) -> float:
    """Share of the bigrams that occurred before."""
    del text
    return float(repetition.repetition_score(tokens[None])[0])


def bracket_density(tokens: np.ndarray, text: str) -> float:
    """Brackets a character."""
    del tokens
    return sum(text.count(bracket) for bracket in "()[]{}") / max(len(text), 1)


def tag_density(tokens: np.ndarray, text: str) -> float:
    """Angle brackets and backslashes, of markup and LaTeX, a character."""
    del tokens
    return sum(text.count(mark) for mark in "<>\\") / max(len(text), 1)


FEATURES: dict[str, Callable[[np.ndarray, str], float]] = {
    "longest repeat (tokens)": longest_repeat,
    "compressibility": compressibility,
    "repeated bigrams": repeated_bigrams,
    "bracket density": bracket_density,
    "markup density": tag_density,
}


def measure(tokens: np.ndarray, texts: Sequence[str]) -> np.ndarray:
    """Every feature of every sample, shape (samples, features)."""
    return np.array(
        [
            [feature(row, text) for feature in FEATURES.values()]
            for row, text in zip(tokens, texts, strict=True)
        ]
    )


def labels(chosen: Sequence[str], everything: Sequence[str], confidence: float) -> list[dict[str, Any]]:
    """A line for each label: its share of the chosen samples against its share of all.

    Returns:
        name, share, rate, ratio (share over rate) with its interval (Wilson's of the share: the rate is
        that of all samples, and known), p (two-sided binomial test of the share against the rate).
    """
    lines = []
    mine, all_of_them = np.asarray(chosen), np.asarray(everything)
    for label in np.unique(all_of_them):
        hits, rate = int((mine == label).sum()), float((all_of_them == label).mean())
        share = statistics.proportion(hits, len(mine), confidence)
        lines.append(
            {
                "name": str(label),
                "share": share.value,
                "rate": rate,
                "ratio": share.value / rate,
                "ratio_low": share.low / rate,
                "ratio_high": share.high / rate,
                "p": float(stats.binomtest(hits, len(mine), rate).pvalue) if rate < 1 else 1.0,
            }
        )
    return lines


def features(chosen: np.ndarray, others: np.ndarray, confidence: float) -> list[dict[str, Any]]:
    """A line for each feature: how far the chosen samples lie above samples of the window at random.

    Args:
        chosen, others: from `measure`.

    Returns:
        name, share and rate (the means), auroc (probability that a chosen one has more) with its
        interval, p (Mann-Whitney).
    """
    lines = []
    for place, name in enumerate(FEATURES):
        one, two = chosen[:, place], others[:, place]
        same = np.ptp(np.concatenate([one, two])) == 0
        found = statistics.Estimate(0.5, 0.5, 0.5) if same else statistics.auroc(one, two, confidence)
        lines.append(
            {
                "name": name,
                "share": float(one.mean()),
                "rate": float(two.mean()),
                **csv_tables.columns("auroc", found),
                "p": 1.0 if same else float(stats.mannwhitneyu(one, two).pvalue),
            }
        )
    return lines
