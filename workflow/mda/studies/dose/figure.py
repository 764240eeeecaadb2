"""The figure of the study `dose`."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from mda.figures import panels, style


def draw(table: pd.DataFrame, palette: style.Palette) -> Figure:
    """Difference of the formation step to as many random samples, by the share of samples."""
    targets, kinds = list(dict.fromkeys(table["target"])), list(dict.fromkeys(table["intervention"]))
    figure, axes = panels.grid(len(targets), len(kinds), 2.2, sharey="row")
    # Random samples have no difference to themselves.
    table = table[(table["outcome"] == "formation_step") & (table["selection"] != "random")].copy()
    # A mean of equal numbers may be off by its last digits, which would set the scale.
    ends = ["to_random", "to_random_low", "to_random_high"]
    table[ends] = table[ends].round(9)
    for row, target in zip(axes, targets, strict=True):
        for axis, kind in zip(row, kinds, strict=True):
            cell = table[(table["target"] == target) & (table["intervention"] == kind)]
            told = []
            for selection, mine in cell.groupby("selection", sort=False):
                mine, color = mine.sort_values("fraction"), palette[style.method_of(str(selection))]
                x = 100 * mine["fraction"]
                label = style.label_of(str(selection), target)
                axis.plot(
                    x, mine["to_random"], marker=style.mark_of(str(selection)), markersize=3.5, color=color,
                    linestyle=style.dash_of(str(selection), target), label=label,
                )  # fmt: skip
                low, high = mine["to_random_low"], mine["to_random_high"]
                axis.fill_between(x, low, high, color=color, alpha=0.15, linewidth=0)
                told.append(panels.rows_in_words(mine, "to_random", [f"{label} {share:g} %" for share in x]))
            style.tell(axis, "; ".join(told))
            axis.axhline(0, color="0.6", linewidth=0.6)
            axis.set_title(f"{target}: {style.INTERVENTION_NAMES[kind]}")
            axis.set_xlabel("% of the window's samples")
        row[0].set_ylabel("formation step,\ndifference to random")
    style.shared_legend(figure, axes)
    return figure
