"""Panels that several figures have: forests of intervals, and maps of colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mda.figures import style

COMMON = "#333333"


def nothing() -> Figure:
    """The figure of a table that has nothing to draw: a sentence."""
    figure, axes = plt.subplots(figsize=(style.width(), 0.6))
    axes.set_axis_off()
    axes.text(0.5, 0.5, "There is nothing to draw: no comparison could be made.", ha="center", va="center")
    return figure


def grid(
    rows: int, columns: int, height: float, least: float = 1.5, **options: Any
) -> tuple[Figure, np.ndarray]:
    """A figure with a grid of panels, each `height` inches high.

    Where panels would be narrower than `least`, in inches, those of a row stand on several lines.

    Returns:
        The figure, and the panels in an array of shape (rows, columns), wherever they stand.
    """
    across = max(1, min(columns, int(style.width() / least)))
    lines = -(-columns // across)
    if lines > 1 and options.get("sharey") == "row":
        options["sharey"] = False
    # A page is not higher than this, in inches.
    size = (style.width(), min(9.5, 0.4 + rows * lines * height))
    figure, axes = plt.subplots(rows * lines, across, figsize=size, squeeze=False, **options)
    places = axes.reshape(rows, lines * across)
    for axis in places[:, columns:].flat:
        axis.set_axis_off()
    if places.shape[1] > columns:
        # Those above nothing show their steps.
        for axis in places[:, columns - across : columns].flat:
            axis.tick_params(labelbottom=True)
    return figure, places[:, :columns]


def rows_height(names: Sequence[str], line: float = 0.19) -> float:
    """Inches that rows of these names take, with `line` for one of a single line."""
    return sum(line + 0.1 * style.wrapped(name).count("\n") for name in names)


def forest(
    axis: Axes,
    lines: pd.DataFrame,
    value: str,
    names: Sequence[str],
    colors: Sequence[str],
    zero: float | None = 0.0,
    marks: Sequence[str] | None = None,
) -> None:
    """A line for each row from top to bottom: the value as a mark, `_low` to `_high` as a bar.

    Args:
        marks: of matplotlib, one a row; without, all are dots.
    """
    heights = range(len(lines))[::-1]
    rows = zip(heights, colors, marks or "o" * len(lines), lines.iterrows(), strict=True)
    for height, color, mark, (_, line) in rows:
        axis.plot([line[f"{value}_low"], line[f"{value}_high"]], [height] * 2, color=color, linewidth=1.5)
        axis.plot(line[value], height, mark, color=color, markersize=4)
    axis.set_yticks(list(heights), [style.wrapped(name) for name in names])
    style.tell(axis, rows_in_words(lines, value, names))
    axis.set_ylim(-0.6, len(lines) - 0.4)
    axis.locator_params(axis="x", nbins=4)
    if zero is not None:
        axis.axvline(zero, color="0.6", linewidth=0.6)


def values_beside(axis: Axes, values: Sequence[float], form: str) -> None:
    """The values of a forest's rows as numbers on its right, where marks near each other cannot be read."""
    beside = axis.get_yaxis_transform()
    for height, value in zip(reversed(range(len(values))), values, strict=True):
        words = "" if np.isnan(value) else form.format(value)
        axis.text(1.02, height, words, transform=beside, va="center", fontsize=7)


def rows_in_words(lines: pd.DataFrame, value: str, names: Sequence[str]) -> str:
    """What a forest shows, row by row."""
    told = []
    for name, (_, line) in zip(names, lines.iterrows(), strict=True):
        if not np.isnan(line[value]):
            low, high = line[f"{value}_low"], line[f"{value}_high"]
            ends = "" if np.isnan(low) else f" [{low:.3g}, {high:.3g}]"
            told.append(f"{' '.join(name.split())} {line[value]:.3g}{ends}")
    return "; ".join(told)


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
                row - 0.2 * told,
                form.format(value),
                ha="center",
                va="center",
                fontsize=7,
                color=color,
            )
            # More columns than these have no room for intervals.
            if told and len(columns) <= 5:
                words = f"{form.format(ends[0])} to\n{form.format(ends[1])}"
                axis.text(column, row + 0.2, words, ha="center", va="center", fontsize=6, color=color)
    axis.set_yticks(range(len(rows)), rows)
    style.tell(axis, _cells_in_words(values, rows, columns, form))
    # Long names would run into each other.
    slant = 90 if len(columns) > 12 else 30 if max(map(len, columns)) > 14 else 0
    axis.set_xticks(range(len(columns)), columns, rotation=slant, ha="right" if slant == 30 else "center")


def _cells_in_words(values: np.ndarray, rows: Sequence[str], columns: Sequence[str], form: str) -> str:
    flat = [(" ".join(row.split()), " ".join(column.split())) for row in rows for column in columns]
    words = [
        f"{row}, {column} {form.format(value)}"
        for (row, column), value in zip(flat, values.flat, strict=True)
        if not np.isnan(value)
    ]
    # Of more, the ends.
    if len(words) > 40:
        return f"{len(words)} cells from {form.format(np.nanmin(values))} to {form.format(np.nanmax(values))}"
    return "; ".join(words)
