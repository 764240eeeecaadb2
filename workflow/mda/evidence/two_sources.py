"""One interval for two sources of variation: the order of the samples, and the initial weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mda.evidence import statistics
from mda.evidence.statistics import Difference


class Nested(NamedTuple):
    """A mean difference over models, and how far it varies.

    Attributes:
        difference: over models, with an interval for models and orders that were not run.
        between: standard deviation over models of a model's own mean difference.
        within: standard deviation of the differences of one model, from order to order. Nan where no model
            has two, and then so is `between`.
    """

    difference: Difference
    between: float
    within: float


def nested_difference(differences: Sequence[np.ndarray], confidence: float) -> Nested:
    """The mean difference in a random-effects model: d_ij = mean + model_i + order_ij, all independent.

    The models' means have the variance between^2 + within^2 / orders, so that the spread of these means has
    both sources in it. Where all models have as many orders, Student's t over the means is the exact interval
    and test of this mixed model, whatever the two variances are (Searle, Casella & McCulloch 1992, chapter
    3). Else it is close to that; every model counts the same.

    The variances are estimated by analysis of variance; `between` is 0 where the means vary less than orders
    alone would have them.

    Args:
        differences: of each model, treated minus control of the same order, shape (orders,), one or more.
    """
    means = np.array([float(np.mean(of_model)) for of_model in differences])
    sizes = np.array([len(of_model) for of_model in differences])
    difference = statistics.paired_difference(means, np.zeros(len(means)), confidence)
    freedom = int((sizes - 1).sum())
    if freedom == 0:
        return Nested(difference, np.nan, np.nan)
    squares = sum(float(((of_model - np.mean(of_model)) ** 2).sum()) for of_model in differences)
    within = squares / freedom
    between = np.nan
    if len(means) > 1:
        between = float(np.sqrt(max(0.0, means.var(ddof=1) - within * (1 / sizes).mean())))
    return Nested(difference, between, float(np.sqrt(within)))
