"""The figure of the study `dose`."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from mda.figures import panels, style


def draw(table: pd.DataFrame, palette: style.Palette) -> Figure:
    """Difference of the formation step to the base, by the share of samples."""
    targets, kinds = list(dict.fromkeys(table["target"])), list(dict.fromkeys(table["intervention"]))
    figure, axes = panels.grid(len(targets), len(kinds), 2.2, sharey="row")
    table = table[table["outcome"] == "formation_step"]
    for row, target in zip(axes, targets, strict=True):
        for axis, kind in zip(row, kinds, strict=True):
            cell = table[(table["target"] == target) & (table["intervention"] == kind)]
            for selection, mine in cell.groupby("selection", sort=False):
                mine, color = mine.sort_values("fraction"), palette[style.method_of(str(selection))]
                x = 100 * mine["fraction"]
                axis.plot(
                    x,
                    mine["to_base"],
                    "o-",
                    color=color,
                    markersize=3,
                    label=style.label_of(str(selection), target),
                )
                axis.fill_between(
                    x, mine["to_base_low"], mine["to_base_high"], color=color, alpha=0.15, linewidth=0
                )
            axis.axhline(0, color="0.6", linewidth=0.6)
            axis.set_title(f"{target}: {style.INTERVENTION_NAMES[kind]}")
            axis.set_xlabel("% of the window's samples")
        row[0].set_ylabel("formation step,\ndifference to base")
    style.shared_legend(figure, axes)
    return figure
