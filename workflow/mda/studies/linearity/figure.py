"""The figure of the study `linearity`."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from mda.figures import panels, style
from mda.planning import design


def draw(table: pd.DataFrame, palette: style.Palette) -> Figure:
    """Predicted and found change of each masked branch, a panel for each outcome and share."""
    outcomes, shares = list(dict.fromkeys(table["outcome"])), sorted(set(table["fraction"]))
    figure, axes = panels.grid(len(outcomes), len(shares), 2.0, least=1.8)
    for row, outcome in zip(axes, outcomes, strict=True):
        for axis, share in zip(row, shares, strict=True):
            mine = table[(table["outcome"] == outcome) & (table["fraction"] == share)]
            told = []
            for name, part in mine.groupby("selection", sort=False):
                selection = str(name)
                axis.plot(
                    part["predicted"], part["found"], style.mark_of(selection), label=selection, markersize=4,
                    color=palette[style.method_of(selection)],
                )  # fmt: skip
                means = part[["predicted", "found"]].mean()
                told.append(
                    f"{selection}: predicted {means['predicted']:.2g}, found {means['found']:.2g}, "
                    f"means over {len(part)} orders"
                )
            axis.axline((0, 0), slope=1, color="0.6", linewidth=0.8)
            axis.axhline(0, color="0.85", linewidth=0.6, zorder=0)
            axis.set_title(f"{design.percent(share)} % masked")
            axis.set_xlabel("predicted change")
            style.tell(axis, "; ".join(told))
        row[0].set_ylabel(f"change of {outcome}\nthat was found")
    style.shared_legend(figure, axes)
    return figure
