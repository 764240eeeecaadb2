"""The figure of the study `stored_gradients`."""

from __future__ import annotations

from itertools import product

import pandas as pd
from matplotlib.figure import Figure

from mda.figures import panels, style


def draw(table: pd.DataFrame, palette: style.Palette) -> Figure:
    """Rank correlation and common top with influence by a pass, by the numbers that are stored."""
    targets, checkpoints = (list(dict.fromkeys(table[name])) for name in ("target", "checkpoint"))
    figure, axes = panels.grid(len(checkpoints), len(targets), 2.0, least=1.8, sharey=True)
    for axis, (checkpoint, target) in zip(axes.flat, product(checkpoints, targets), strict=True):
        one = (table["target"] == target) & (table["checkpoint"] == checkpoint)
        mine, told = table[one].sort_values("values"), []
        for column, label, mark, dash in (
            ("spearman", "rank correlation", "o", "-"),
            ("overlap", "share of the top in common", "s", "--"),
        ):
            color = palette["influence"]
            axis.plot(
                mine["values"],
                mine[column],
                color=color,
                marker=mark,
                markersize=3.5,
                linestyle=dash,
                label=label,
            )
            axis.fill_between(
                mine["values"],
                mine[f"{column}_low"],
                mine[f"{column}_high"],
                color=color,
                alpha=0.15,
                linewidth=0,
            )
            told.append(panels.rows_in_words(mine, column, [f"{label}, {each}" for each in mine["values"]]))
        style.tell(axis, "; ".join(told))
        axis.axhline(mine["chance"].iloc[0], color="0.6", linestyle=":", linewidth=0.8)
        axis.set_xscale("log", base=2)
        # Whole numbers, as they are stored.
        axis.set_xticks(mine["values"], [f"{each:,}" for each in mine["values"]], rotation=30, ha="right")
        axis.minorticks_off()
        axis.set_title(f"{target} at {checkpoint}" if len(checkpoints) > 1 else target)
        axis.set_xlabel("stored numbers a sample")
    axes[0, 0].set_ylim(top=1.02)
    for row in axes:
        row[0].set_ylabel("with influence by a pass")
    style.shared_legend(figure, axes)
    return figure
