"""The figure of the study `exact`."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from mda.figures import panels, style


def draw(table: pd.DataFrame, palette: style.Palette) -> Figure:
    """Rank correlation of every approximate curvature with the exact one."""
    targets = list(dict.fromkeys(table["target"]))
    figure, axes = panels.grid(1, len(targets), 0.5 + 0.2 * len(table) / len(targets), least=1.8, sharey=True)
    for axis, target in zip(axes[0], targets, strict=True):
        mine = table[table["target"] == target]
        colors = [palette.get(name, panels.COMMON) for name in mine["curvature"]]
        marks = [style.mark_of(name) for name in mine["curvature"]]
        panels.forest(axis, mine, "spearman", list(mine["curvature"]), colors, zero=None, marks=marks)
        axis.set_title(target)
        axis.set_xlabel("rank correlation with the exact influence")
    return figure
