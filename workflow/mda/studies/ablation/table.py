"""What the loss is without a target's units, and without as many others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from mda.evidence import csv_tables
from mda.evidence.statistics import Estimate

# What the loss is measured on: all tokens of the held-out rows; those of them that follow the same token as
# earlier in the row; and random tokens, where they are shown for the second time.
HELD_OUT, REPEATED, RANDOM = "held_out", "held_out_repeated", "random_repeated"

# What the units of a target are.
HEADS, NEURONS, LAYERS, SEVERAL = "heads", "neurons", "whole layers", "several kinds"


class Text(NamedTuple):
    """What a loss is measured on.

    Attributes:
        counted: shape (rows, predictions), bool: which predictions count.
        cluster: shape (rows,): rows with the same number are of one document, and vary together.
    """

    counted: np.ndarray
    cluster: np.ndarray


def mean_per_token(sums: np.ndarray, tokens: np.ndarray, cluster: np.ndarray, confidence: float) -> Estimate:
    """The mean of all tokens, with an interval for other documents.

    Documents differ in length, so the mean is a ratio of two sums over documents: its variance is by
    linearization (Cochran 1977, Sampling Techniques, chapter 6), with Student's t of the number of documents.
    One document has no interval, nor have documents that are all the same; no token, no mean.

    Args:
        sums, tokens: shape (rows,): the sum over a row's tokens, and their number.
        cluster: shape (rows,), as in `Text`.
    """
    number = tokens.sum()
    if number == 0:
        return Estimate(np.nan, np.nan, np.nan)
    value = float(sums.sum() / number)
    places = np.unique(cluster, return_inverse=True)[1]
    residuals = np.bincount(places, weights=sums - value * tokens)
    count = len(residuals)
    if count < 2:
        return Estimate(value, np.nan, np.nan)
    # Equal to rounding: there is no spread to judge by.
    if np.abs(residuals).max() <= 1e-9 * max(1.0, abs(value)) * number:
        return Estimate(value, *((0.0, 0.0) if value == 0 else (np.nan, np.nan)))
    error = np.sqrt(count / (count - 1) * (residuals**2).sum()) / number
    half = float(stats.t.ppf((1 + confidence) / 2, count - 1) * error)
    return Estimate(value, value - half, value + half)


def line(
    text: Text, whole: np.ndarray, without: np.ndarray, controls: Sequence[np.ndarray], confidence: float
) -> dict[str, Any]:
    """What a target's units carry of the loss on one text.

    Args:
        whole, without: losses of the model, and of it without the units, in nats, shape (rows, predictions).
        controls: those without other units, one for each draw; none where there are no others.

    Returns:
        rows, documents, tokens; loss, without; `carried` = without - loss with its interval over documents;
        draws; `others`, the mean of what the draws carry, with others_least and others_most; and
        `beyond_others` = carried - others, with its interval over documents, for these draws.
    """
    tokens = text.counted.sum(axis=1)

    def of_rows(losses: np.ndarray) -> np.ndarray:
        return np.where(text.counted, losses, 0.0).sum(axis=1, dtype=np.float64)

    own = of_rows(without) - of_rows(whole)
    others = np.array([of_rows(losses) - of_rows(whole) for losses in controls]).reshape(-1, len(own))
    number = tokens.sum()
    of_draws = others.sum(axis=1) / number if number else np.empty(0)
    told = len(of_draws) > 0
    nothing = Estimate(np.nan, np.nan, np.nan)
    beyond = mean_per_token(own - others.mean(axis=0), tokens, text.cluster, confidence) if told else nothing
    return {
        "rows": len(tokens),
        "documents": len(np.unique(text.cluster)),
        "tokens": int(number),
        "loss": mean_per_token(of_rows(whole), tokens, text.cluster, confidence).value,
        "without": mean_per_token(of_rows(without), tokens, text.cluster, confidence).value,
        **csv_tables.columns("carried", mean_per_token(own, tokens, text.cluster, confidence)),
        "draws": len(controls),
        "others": float(of_draws.mean()) if told else np.nan,
        "others_least": float(of_draws.min()) if told else np.nan,
        "others_most": float(of_draws.max()) if told else np.nan,
        **csv_tables.columns("beyond_others", beyond),
    }
