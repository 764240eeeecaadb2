"""The distribution of influence."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mda.figures import style


def draw(scores: pd.DataFrame, notes: Sequence[str] = ()) -> Figure:
    """Histogram of a target's influence by label, and the share of the positive sum it adds up to.

    Args:
        notes: sentences on the scores, which stand above; see `mda.evidence.score_notes`.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(style.WIDTH, 2.4 + 0.15 * len(notes)))
    if notes:
        figure.suptitle("\n".join(notes), fontsize=6)
    low, high = np.quantile(scores["influence"], [0.001, 0.999])
    if low == high:
        # A bar that can be seen.
        low, high = low - 0.01 * max(abs(low), 1e-3), high + 0.01 * max(abs(high), 1e-3)
    edges = np.linspace(low, high, 60)
    counts = scores["label"].value_counts()
    # Filled histograms hide each other when there are many.
    kind = {"alpha": 0.6} if len(counts) <= 3 else {"histtype": "step", "linewidth": 1.2}
    bars = []
    for label in counts.index:
        part = scores.loc[scores["label"] == label, "influence"]
        bars.append(left.hist(part.clip(low, high), edges, **kind)[2][0])
    left.axvline(0, color="0.5", linewidth=0.6)
    left.locator_params(axis="x", nbins=5)
    left.set_xlabel("influence (clipped at the 0.1 % tails)")
    left.set_ylabel("samples")
    # By name, or labels that begin with an underscore are left out.
    left.legend(bars, [style.shown(label) for label in counts.index], title="label")
    ranked = np.sort(scores["influence"].to_numpy())[::-1]
    positive = np.clip(ranked, 0, None)
    share = np.cumsum(positive, dtype=float) / max(positive.sum(), np.finfo(float).tiny)
    rank = np.arange(1, len(ranked) + 1) / len(ranked)
    right.plot(100 * rank, share, color="black", linewidth=1.2)
    tenth = share[max(0, round(0.1 * len(ranked)) - 1)]
    right.plot([10, 10, 0], [0, tenth, tenth], color="0.5", linestyle=":", linewidth=0.8)
    told = f"top 10 %: {100 * tenth:.0f} %" if ranked[0] > 0 else "none is positive"
    right.annotate(told, (10, tenth), xytext=(14, max(0.02, tenth - 0.06)))
    right.set_xlabel("samples, by influence (%)")
    right.set_ylabel("share of the positive influence")
    right.set_ylim(0, 1.02)
    return figure
