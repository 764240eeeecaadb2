"""The figure of the study `datamodel`."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from mda.figures import panels, style


def draw(table: pd.DataFrame, palette: style.Palette) -> Figure:
    """The linear datamodelling score of every method."""
    table = table[table["outcome"] == "score_area"]
    targets = list(dict.fromkeys(table["target"]))
    figure, axes = panels.grid(1, len(targets), 0.6 + 0.2 * len(table) / len(targets), least=1.8, sharey=True)
    for axis, target in zip(axes[0], targets, strict=True):
        mine = table[table["target"] == target]
        colors, marks = zip(*[(palette[name], style.mark_of(name)) for name in mine["method"]], strict=True)
        panels.forest(axis, mine, "lds", list(mine["method"]), colors, marks=marks)
        axis.set_title(f"{target} ({mine['subsets'].iloc[0]} subsets)")
        axis.set_xlabel("LDS: rank correlation of predicted\nand actual mean metric")
    return figure
