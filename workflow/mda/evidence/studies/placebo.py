"""How often the test of an effect finds one between runs that were treated at random.

The runs on random subsets of the window differ by chance alone. Judged as an intervention is, in as many
pairs, they may seem to differ no more often than at the nominal rate: also in the formation step, which is
neither normal nor, where a unit does not form, known to the end. This is about the noise of runs; how far
one set of samples, which influence has in all orders, is from the mean of random sets by chance it does not
tell.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from mda.evidence import statistics

SPLITS = 4000
# Of what is judged by them.
OUTCOMES = ("formation_step", "score_area", "icl_area", "held_out_area")


def false_findings(runs: np.ndarray, pairs: int, seed: int, confidence: float) -> dict[str, Any]:
    """The share of comparisons that find something.

    Args:
        runs: an outcome, shape (subsets, orders).
        pairs: of runs in a comparison, each of two subsets in one order; at most half of the subsets.

    Returns:
        subsets, orders, pairs, comparisons (those with a spread to judge by), rate and its interval
        (Student's t by the jackknife over subsets, for comparisons share runs), nominal; nan where too few
        subsets make no pairs, or no comparison has a spread.
    """
    subsets, orders = runs.shape
    # One less for the jackknife.
    pairs = min(pairs, (subsets - 1) // 2)
    rate, judged = _rate(runs, pairs, seed, confidence)
    without = np.array([_rate(np.delete(runs, one, 0), pairs, seed, confidence)[0] for one in range(subsets)])
    error = np.sqrt((subsets - 1) * without.var()) * stats.t.ppf((1 + confidence) / 2, subsets - 1)
    return {
        "subsets": subsets, "orders": orders, "pairs": pairs, "comparisons": judged,
        "rate": rate, "rate_low": np.maximum(0.0, rate - error), "rate_high": np.minimum(1.0, rate + error),
        "nominal": 1 - confidence,
    }  # fmt: skip


def _rate(runs: np.ndarray, pairs: int, seed: int, confidence: float) -> tuple[float, int]:
    """The rate, and the number of comparisons that it is of."""
    if pairs < 2:
        return np.nan, 0
    generator = np.random.default_rng(seed)
    subsets, orders = runs.shape
    # Two of `pairs` x 2 different subsets each, and an order for each pair.
    chosen = generator.permuted(np.tile(np.arange(subsets), (SPLITS, 1)), axis=1)[:, : 2 * pairs]
    order = generator.integers(0, orders, (SPLITS, pairs))
    differences = runs[chosen[:, :pairs], order] - runs[chosen[:, pairs:], order]
    found = statistics.paired_p_values(differences)
    known = found[~np.isnan(found)]
    return (float(np.mean(known < 1 - confidence)) if len(known) else np.nan), len(known)
