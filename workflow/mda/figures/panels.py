"""Panels that several figures have: forests of intervals, and maps of colours."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mda.figures import style

COMMON = "#333333"


def nothing() -> Figure:
    """The figure of a table that has nothing to draw: a sentence."""
    figure, axes = plt.subplots(figsize=(style.WIDTH, 0.6))
    axes.set_axis_off()
    axes.text(0.5, 0.5, "There is nothing to draw: no comparison could be made.", ha="center", va="center")
    return figure


def grid(rows: int, columns: int, height: float, **options: object) -> tuple[Figure, np.ndarray]:
    """A figure of the page's width with a grid of panels, each `height` inches high."""
    # A page is not higher than this, in inches.
    size = (style.WIDTH, min(9.5, 0.4 + rows * height))
    return plt.subplots(rows, columns, figsize=size, squeeze=False, **options)


def forest(
    axis: Axes,
    lines: pd.DataFrame,
    value: str,
    names: Sequence[str],
    colors: Sequence[str],
    zero: float | None = 0.0,
) -> None:
    """A line for each row from top to bottom: the value as a mark, `_low` to `_high` as a bar."""
    heights = range(len(lines))[::-1]
    for height, color, (_, line) in zip(heights, colors, lines.iterrows(), strict=True):
        axis.plot([line[f"{value}_low"], line[f"{value}_high"]], [height] * 2, color=color, linewidth=1.5)
        axis.plot(line[value], height, "o", color=color, markersize=3.5)
    axis.set_yticks(list(heights), list(names))
    axis.set_ylim(-0.6, len(lines) - 0.4)
    if zero is not None:
        axis.axvline(zero, color="0.6", linewidth=0.6)


def heat_map(
    axis: Axes, cells: tuple[np.ndarray, np.ndarray, np.ndarray], rows: Sequence[str], columns: Sequence[str],
    low: float, high: float, colors: str, form: str,
) -> None:  # fmt: skip
    """Values, with the lower and upper ends of their intervals, as a map of colours.

    Args:
        cells: the values and both ends, each of shape (rows, columns).
        low, high: the ends of the colour map `colors`.
        form: how a value is written, as '{:.2f}'.
    """
    values, lows, highs = cells
    image = axis.imshow(values, vmin=low, vmax=high, cmap=colors, aspect="auto")
    # More cells than these have no room for numbers.
    if values.size <= 120:
        for (row, column), value in np.ndenumerate(values):
            red, green, blue, _ = image.cmap(image.norm(value))
            dark = 0.3 * red + 0.6 * green + 0.1 * blue < 0.5
            color, ends = "white" if dark else "black", (lows[row, column], highs[row, column])
            told = ends[0] < ends[1]
            axis.text(
                column,
                row - 0.15 * told,
                form.format(value),
                ha="center",
                va="center",
                fontsize=7,
                color=color,
            )
            # More columns than these have no room for intervals.
            if told and len(columns) <= 5:
                words = f"[{form.format(ends[0])}, {form.format(ends[1])}]"
                axis.text(column, row + 0.2, words, ha="center", va="center", fontsize=4.5, color=color)
    axis.set_yticks(range(len(rows)), rows)
    # Long names would run into each other.
    slant = 90 if len(columns) > 12 else 30 if max(map(len, columns)) > 14 else 0
    axis.set_xticks(range(len(columns)), columns, rotation=slant, ha="right" if slant == 30 else "center")
