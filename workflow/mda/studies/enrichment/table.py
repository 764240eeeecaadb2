"""What the samples at both ends of the influence are: their labels, and features that need no label."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from mda.evidence import csv_tables, score_parts, statistics
from mda.evidence.score_parts import Parts
from mda.interventions import repetition, selection


def enrichment(
    scores: Mapping[str, Parts],
    measured: Callable[[np.ndarray], np.ndarray],
    drawn: Callable[[int], np.ndarray],
    fraction: float,
    confidence: float,
) -> pd.DataFrame:
    """Labels and features of the samples at both ends, against those of all samples.

    Args:
        scores: row, influence and label, by target.
        measured: rows -> `measure` of their samples.
        drawn: a number of samples -> the places of those whose features are measured.
        fraction: the share of samples at an end.

    Returns:
        A line for each target, side ('proponents', the top fraction, or 'opponents'), and label or feature:
        target, side, kind ('label' or 'feature'), the columns of `labels` or `features`, and q.
    """
    lines = []
    for target, parts in scores.items():
        rates = _counts(parts)
        number = selection.count(rates.total(), fraction)
        everything = _measured(parts, rates.total(), measured, drawn)
        for side, sign in (("proponents", 1), ("opponents", -1)):
            chosen = score_parts.top(parts, number, sign)
            place = {"target": target, "side": side}
            found = labels(_counts(chosen), rates, confidence)
            lines += [{**place, "kind": "label", **line} for line in found]
            found = features(_measured(chosen, number, measured, drawn), everything, confidence)
            lines += [{**place, "kind": "feature", **line} for line in found]
    table = pd.DataFrame(lines)
    return table.assign(q=table.groupby("target")["p"].transform(statistics.adjusted))


def _counts(parts: Parts) -> Counter[str]:
    """How many samples each label has."""
    found: Counter[str] = Counter()
    for part in parts():
        found.update(part["label"].value_counts().to_dict())
    return found


def _measured(
    parts: Parts,
    number: int,
    measured: Callable[[np.ndarray], np.ndarray],
    drawn: Callable[[int], np.ndarray],
) -> np.ndarray:
    return measured(score_parts.lines_at(parts, drawn(number))["row"].to_numpy())


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


def labels(chosen: Counter[str], everything: Counter[str], confidence: float) -> list[dict[str, Any]]:
    """A line for each label: its share of the chosen samples against its share of all.

    Args:
        chosen, everything: how many samples each label has.

    Returns:
        name, share, rate, ratio (share over rate) with its interval (Wilson's of the share: the rate is
        that of all samples, and known), p (two-sided binomial test of the share against the rate).
    """
    lines = []
    for label in sorted(everything):
        hits, rate = chosen[label], everything[label] / everything.total()
        share = statistics.proportion(hits, chosen.total(), confidence)
        lines.append(
            {
                "name": label,
                "share": share.value,
                "rate": rate,
                "ratio": share.value / rate,
                "ratio_low": share.low / rate,
                "ratio_high": share.high / rate,
                "p": float(stats.binomtest(hits, chosen.total(), rate).pvalue) if rate < 1 else 1.0,
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
