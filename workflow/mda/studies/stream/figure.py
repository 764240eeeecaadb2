"""The figure of the study `stream`."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mda.figures import panels, style


def draw(table: pd.DataFrame, palette: style.Palette) -> Figure:
    """The influence along the training stream, and the unit's metric."""
    targets = list(dict.fromkeys(table["target"]))
    figure, axes = panels.grid(len(targets), 1, 1.9, sharex=True)
    for axis, target in zip(axes[:, 0], targets, strict=True):
        mine = table[table["target"] == target]
        middle, width = (mine["start"] + mine["stop"]) / 2, mine["stop"] - mine["start"]
        ends = mine[["positive_share_low", "positive_share_high"]]
        axis.bar(
            middle,
            100 * mine["positive_share"],
            width,
            color=palette["influence"],
            alpha=0.5,
            label="influence",
            yerr=100 * np.abs(ends.to_numpy().T - mine["positive_share"].to_numpy()),
            error_kw={"elinewidth": 0.7, "ecolor": palette["influence"]},
        )
        axis.set_ylabel("% of the positive\ninfluence")
        # Of no positive influence, or of one sample an interval, nothing is known.
        highest = mine[["positive_share", *ends]].max(axis=None)
        if highest > 0:
            axis.set_ylim(0, 125 * highest)
        right = axis.twinx()
        right.spines["right"].set_visible(True)
        right.plot(mine["stop"], mine["score"], "o-", color=palette["base"], markersize=3, label="metric")
        right.set_ylabel("the unit's metric")
        axis.set_title(target)
        steepest = mine.loc[mine["gain"].idxmax()]
        style.tell(
            axis,
            f"{len(mine)} bars, from {100 * mine['positive_share'].min():.2g} to "
            f"{100 * mine['positive_share'].max():.2g} % of the positive influence; the metric rises most "
            f"between steps {steepest['start']:.0f} and {steepest['stop']:.0f}",
        )
    axes[-1, 0].set_xlabel("training step of the base run")
    return figure
