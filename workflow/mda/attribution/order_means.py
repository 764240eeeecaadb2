"""The mean of samples' scores over orders of the window, and how reliable it is.

A score by trajectory belongs to its order: what it finds of a sample depends on when the sample came, and on
what came before. So scores are standardized among the samples of an update before their mean is taken.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

# More splits change nothing, and there are soon too many.
MOST_SPLITS = 100
SEED = 0


class Reliability(NamedTuple):
    """How well the mean over orders would agree with that over as many others.

    Attributes:
        between_halves: mean correlation of the means of two halves of the orders.
        one: the reliability of a single order, expected from it.
        mean: that of the mean over all orders.
    """

    between_halves: float
    one: float
    mean: float

    def orders_for(self, wanted: float) -> float:
        """The number of orders whose mean would have this reliability; nan if orders do not agree at all."""
        if not 0 < self.one < 1:
            return np.nan
        return wanted * (1 - self.one) / (self.one * (1 - wanted))


def standardized(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores with mean 0 and standard deviation 1 among the samples of an update.

    Args:
        scores: of one order, with the columns outcome, step, update, row and score; lines without a score
            are left out.

    Returns:
        The columns outcome, row and score; 0 of samples of an update whose scores are all equal.
    """
    kept = scores.dropna(subset=["score"])
    grouped = kept.groupby(["outcome", "step", "update"])["score"]
    spread = grouped.transform("std", ddof=0)
    away = kept["score"] - grouped.transform("mean")
    return kept[["outcome", "row"]].assign(
        score=np.where(spread > 0, away / spread.where(spread > 0, 1.0), 0.0)
    )


def over_orders(orders: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The standardized scores of every order, side by side.

    Args:
        orders: of each order a table as `standardized` takes it.

    Returns:
        A line for each outcome and row, with a column for each order, by its place; the mean over the places
        of a row that an order reads several times. Rows that some order does not read are left out.
    """
    columns = [
        standardized(order).groupby(["outcome", "row"])["score"].mean().rename(number)
        for number, order in enumerate(orders)
    ]
    return pd.concat(columns, axis=1).dropna()


def reliability(scores: np.ndarray) -> Reliability:
    """By split halves of the orders, and the formula of Spearman and Brown (1910).

    The mean of k orders has the reliability k r / (1 + (k - 1) r), with r that of one. Of an odd number of
    orders, each split leaves one out.

    Args:
        scores: shape (samples, orders), of two orders or more.
    """
    orders = scores.shape[1]
    half = orders // 2
    with np.errstate(invalid="ignore", divide="ignore"):
        found = [
            np.corrcoef(scores[:, first].mean(axis=1), scores[:, second].mean(axis=1))[0, 1]
            for first, second in _splits(orders)
        ]
    between = float(np.mean(found))
    one = between / (half - (half - 1) * between)
    return Reliability(between, one, orders * one / (1 + (orders - 1) * one))


def _splits(orders: int) -> list[tuple[list[int], list[int]]]:
    """Pairs of halves that share no order: all, or as many as `MOST_SPLITS` at random."""
    half = orders // 2
    if orders > 8:
        generator = np.random.default_rng(SEED)
        drawn = [generator.permutation(orders) for _ in range(MOST_SPLITS)]
        return [(list(order[:half]), list(order[half : 2 * half])) for order in drawn]
    return [
        (list(first), list(second))
        for first in itertools.combinations(range(orders), half)
        for second in itertools.combinations([each for each in range(orders) if each not in first], half)
        if first < second
    ]
