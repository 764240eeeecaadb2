"""How scores agree: variants of an attribution with each other, and targets with each other."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from mda.evidence import statistics
from mda.interventions import selection
from mda.planning.variants import changes
from mda.runtime import files


def read(path: Path, columns: Sequence[str] = ("influence",)) -> dict[str, pd.DataFrame]:
    """Scores by target: step, row and the columns, in the order of the run."""
    table = files.read_table(path, columns=["target", "step", "row", *columns]).to_pandas()
    return {
        str(target): part.drop(columns="target").sort_values(["step", "row"], ignore_index=True)
        for target, part in table.groupby("target", sort=False)
    }


def variants(
    configured: Mapping[str, pd.DataFrame],
    others: Mapping[str, Mapping[str, pd.DataFrame]],
    fraction: float,
    confidence: float,
) -> list[dict[str, Any]]:
    """A line a target and variant: rank correlation with the configured attribution, and overlap of the top.

    Args:
        configured, others: from `read`; `others` by the variant's name.
        fraction: the share that counts as top.

    Returns:
        target, variant, changed (the setting), samples, spearman and its interval, overlap (share of the
        top that is top in both) and its interval, chance (the overlap of unrelated scores). Nan where all
        scores are equal, which have no top.
    """
    lines = []
    for variant, scores in others.items():
        for target, mine in configured.items():
            one, two = mine["influence"].to_numpy(), scores[target]["influence"].to_numpy()
            number = selection.count(len(one), fraction)
            common = len(np.intersect1d(top(one, number), top(two, number)))
            ranked = not (statistics.constant(one) or statistics.constant(two))
            overlap = statistics.proportion(common, number, confidence) if ranked else statistics.UNKNOWN
            lines.append(
                {
                    "target": target,
                    "variant": variant,
                    "changed": " and ".join(key for key, _ in changes(variant)),
                    "samples": len(one),
                    **_columns("spearman", statistics.rank_correlation(one, two, confidence)),
                    **_columns("overlap", overlap),
                    "chance": number / len(one),
                }
            )
    return lines


def overlaps(
    scores: Mapping[str, pd.DataFrame],
    units: Mapping[str, list[str]],
    metrics: Mapping[str, str],
    fraction: float,
    confidence: float,
) -> list[dict[str, Any]]:
    """A line a pair of targets: the Jaccard index of their top samples, against chance.

    Args:
        scores: of all targets, over the same samples, with their labels.
        units: the units of each target, as they are written.
        metrics: the metric that watches each; targets of one metric are of one kind.

    Returns:
        one, other (targets), one_units, other_units, same_kind, jaccard and its interval (from that of
        the common share), chance (the index of scores that are unrelated but for the labels of their tops),
        p (of as many common samples by chance: a hypergeometric a label, their sum as a normal), q, spearman.
        Nan where all scores are equal, which have no top.
    """
    names = list(scores)
    lines = []
    for place, one in enumerate(names):
        for other in names[place + 1 :]:
            left, right = (scores[name]["influence"].to_numpy() for name in (one, other))
            number = selection.count(len(left), fraction)
            tops = top(left, number), top(right, number)
            common = len(np.intersect1d(*tops))
            share, ranked = statistics.proportion(common, number, confidence), True
            if statistics.constant(left) or statistics.constant(right):
                share, ranked = statistics.UNKNOWN, False
            expected, spread = _common_by_chance(scores[one]["label"], *tops)
            chance = expected / number
            lines.append(
                {
                    "one": one,
                    "other": other,
                    "one_units": " ".join(units[one]),
                    "other_units": " ".join(units[other]),
                    "same_kind": metrics[one] == metrics[other],
                    **_columns("jaccard", statistics.Estimate(*(value / (2 - value) for value in share))),
                    "chance": chance / (2 - chance),
                    "p": _more_than(common, expected, spread) if ranked else np.nan,
                    **_columns("spearman", statistics.rank_correlation(left, right, confidence)),
                }
            )
    for line, q in zip(lines, statistics.adjusted(np.array([line["p"] for line in lines])), strict=True):
        line["q"] = float(q)
    return lines


def _more_than(common: int, expected: float, spread: float) -> float:
    """The p-value of so many common samples; nan where there could not be others, as of one label's two."""
    return float(stats.norm.sf((common - 0.5 - expected) / spread)) if spread > 0 else np.nan


def _common_by_chance(labels: pd.Series, one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Mean and spread of how many samples two sets have in common, drawn with the labels they have."""
    parts = (labels, labels.iloc[one], labels.iloc[other])
    numbers = pd.concat([part.value_counts() for part in parts], axis=1).fillna(0).to_numpy(float)
    every, left, right = numbers.T
    mean = left * right / every
    # Of a hypergeometric.
    variance = mean * (every - left) * (every - right) / (every * np.maximum(every - 1, 1))
    return float(mean.sum()), float(np.sqrt(variance.sum()))


def stream(scores: pd.DataFrame, curve: pd.DataFrame, bins: int, confidence: float) -> list[dict[str, Any]]:
    """Influence along the training stream, a line an interval of steps.

    Args:
        scores: of one target.
        curve: its metric in the base run: step, score.

    Returns:
        start, stop (steps), samples, mean (influence of the interval's samples) and its interval,
        positive_share (of all positive influence; nan where there is none) and its interval, score (the
        metric at the interval's end), gain (how much it rose inside). One sample has no interval.
    """
    edges = np.unique(
        np.linspace(scores["step"].min(), scores["step"].max() + 1, bins + 1).round().astype(int)
    )
    positive = float(scores["influence"].clip(lower=0).sum()) or np.nan
    steps, values = curve["step"].to_numpy(float), curve["score"].to_numpy()
    lines = []
    for start, stop in itertools.pairwise(edges):
        mine = scores.loc[scores["step"].between(start, stop - 1), "influence"].to_numpy(float)
        width = stats.norm.ppf((1 + confidence) / 2)
        error = width * _spread(mine) / np.sqrt(len(mine))
        gained = mine.clip(min=0)
        share = gained.sum() / positive
        doubt = width * _spread(gained) * np.sqrt(len(mine)) / positive
        before, after = np.interp([start, stop], steps, values)
        lines.append(
            {
                "start": int(start),
                "stop": int(stop),
                "samples": len(mine),
                "mean": mine.mean(),
                "mean_low": mine.mean() - error,
                "mean_high": mine.mean() + error,
                "positive_share": share,
                "positive_share_low": share - doubt,
                "positive_share_high": share + doubt,
                "score": after,
                "gain": after - before,
            }
        )
    return lines


def _spread(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else np.nan


def top(scores: np.ndarray, number: int) -> np.ndarray:
    """Positions of the highest scores, in no order."""
    return np.argpartition(-scores, number - 1)[:number]


def _columns(name: str, estimate: statistics.Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
