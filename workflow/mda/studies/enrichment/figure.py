"""The figure of the study `enrichment`."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from mda.figures import panels, style


def draw(table: pd.DataFrame, palette: style.Palette) -> Figure:
    """Labels and features of the samples at both ends, against all samples."""
    targets = list(dict.fromkeys(table["target"]))
    table = table.assign(share_of=100 * table["ratio"])
    figure, axes = panels.grid(len(targets), 2, 2.4)
    colors = {"proponents": palette["influence"], "opponents": palette["random"]}
    for row, target in zip(axes, targets, strict=True):
        for axis, kind, value, zero in zip(
            row, ("label", "feature"), ("ratio", "auroc"), (1.0, 0.5), strict=True
        ):
            mine = table[(table["target"] == target) & (table["kind"] == kind)]
            mine = mine.sort_values(["name", "side"], ascending=[True, False])
            names = [
                style.shown(name) if side == "proponents" else ""
                for name, side in zip(mine["name"], mine["side"], strict=True)
            ]
            panels.forest(axis, mine, value, names, [colors[side] for side in mine["side"]], zero=zero)
        row[0].set_title(f"{target}: share of the label over its rate")
        row[1].set_title("has more than a random sample (AUROC)")
    marks = [plt.Line2D([], [], marker="o", color=color, markersize=3.5) for color in colors.values()]
    figure.legend(marks, ["proponents (top)", "opponents (bottom)"], loc="outside lower center", ncols=2)
    return figure
