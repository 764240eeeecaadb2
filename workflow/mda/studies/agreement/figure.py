"""The figure of the study `agreement`."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from mda.figures import panels, style
from mda.planning.variants import changes


def _words(variant: str) -> str:
    return ", ".join(value if key == "strategy" else f"{key} {value}" for key, value in changes(variant))


def draw(table: pd.DataFrame, palette: style.Palette) -> Figure:
    """Rank correlation and common top of every variant with the configured attribution."""
    targets = list(dict.fromkeys(table["target"]))
    rows = len(table) // len(targets)
    # One scale for all, on which 1 is the same order and the same top.
    low = min(0.0, table[["spearman_low", "overlap_low"]].min(axis=None))
    figure, axes = panels.grid(len(targets), 2, 0.5 + 0.17 * rows, least=1.8, sharey="row")
    for row, target in zip(axes, targets, strict=True):
        mine = table[table["target"] == target]
        names = [_words(variant) for variant in mine["variant"]]
        colors = [
            palette.get(dict(changes(variant)).get("strategy", ""), panels.COMMON)
            for variant in mine["variant"]
        ]
        panels.forest(row[0], mine, "spearman", names, colors)
        panels.values_beside(row[0], list(mine["spearman"]), "{:.3f}")
        panels.forest(row[1], mine, "overlap", names, colors, zero=None)
        panels.values_beside(row[1], list(mine["overlap"]), "{:.2f}")
        row[1].axvline(mine["chance"].iloc[0], color="0.6", linestyle=":", linewidth=0.8)
        row[0].set_title(f"{target}: rank correlation")
        row[1].set_title("share of the top in common")
    for axis in axes.flat:
        axis.set_xlim(low - 0.02, 1.02)
    for axis in axes[-1]:
        axis.set_xlabel("with the configured attribution")
    return figure
