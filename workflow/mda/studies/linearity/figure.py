"""The figure of the study `linearity`."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from mda.figures import panels, style
from mda.planning import design

MARKERS = "osD^v"


def draw(table: pd.DataFrame, palette: style.Palette) -> Figure:
    """Predicted and found change of each masked branch, a panel for each outcome and share."""
    outcomes, shares = list(dict.fromkeys(table["outcome"])), sorted(set(table["fraction"]))
    figure, axes = panels.grid(len(outcomes), len(shares), 2.2)
    for row, outcome in zip(axes, outcomes, strict=True):
        for axis, share in zip(row, shares, strict=True):
            mine = table[(table["outcome"] == outcome) & (table["fraction"] == share)]
            for marker, (selection, part) in zip(
                MARKERS, mine.groupby("selection", sort=False), strict=False
            ):
                method = design.Selection.parse(str(selection)).method
                axis.plot(
                    part["predicted"],
                    part["found"],
                    marker,
                    color=palette[method],
                    label=selection,
                    markersize=4,
                )
            axis.axline((0, 0), slope=1, color="0.6", linewidth=0.8)
            axis.axhline(0, color="0.85", linewidth=0.6, zorder=0)
            axis.set_title(f"{outcome}: {design.percent(share)} % masked")
            axis.set_xlabel("predicted change")
        row[0].set_ylabel("change that was found")
    axes[0, 0].legend(fontsize=6)
    return figure
