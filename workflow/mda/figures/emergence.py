"""The target's metric over the window, in every branch."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mda.figures import style
from mda.planning.cell import BASE


def draw(curves: pd.DataFrame, target: str, metric: str, threshold: float, palette: style.Palette) -> Figure:
    """The target's metric over the window: a panel for each intervention, a line for each selection.

    Lines are means over seeds, bands their range. Rows of panels are fractions.
    """
    mine = curves[curves["target"] == target]
    kinds = [kind for kind in style.INTERVENTION_NAMES if kind in set(mine["intervention"])]
    fractions = sorted(set(mine["fraction"]) - {0.0})
    figure, axes = plt.subplots(
        len(fractions), len(kinds), figsize=(style.WIDTH, 0.5 + 1.8 * len(fractions)),
        sharex=True, sharey=True, squeeze=False,
    )  # fmt: skip
    base = mine[mine["intervention"] == BASE]
    for row, fraction in zip(axes, fractions, strict=True):
        for axis, kind in zip(row, kinds, strict=True):
            cell = mine[(mine["intervention"] == kind) & (mine["fraction"] == fraction)]
            _band(axis, base, palette["base"], "base", "--")
            for selection in sorted(set(cell["selection"]), key=style.order):
                color = palette[style.method_of(selection)]
                dash = ":" if style.foreign(selection, target) else "-"
                runs = cell[cell["selection"] == selection]
                _band(axis, runs, color, style.label_of(selection, target), dash)
            axis.axhline(threshold, color="0.7", linewidth=0.6, linestyle=":")
            axis.set_title(f"{style.INTERVENTION_NAMES[kind]}, {100 * fraction:g} %")
        row[0].set_ylabel(style.METRIC_NAMES[metric])
    for axis in axes[-1]:
        axis.set_xlabel("step")
    style.shared_legend(figure, axes)
    return figure


def _band(axis: Axes, runs: pd.DataFrame, color: str, label: str, dash: str) -> None:
    wide = runs.pivot(index="step", columns="seed", values="score")
    axis.plot(wide.index, wide.mean(axis=1), color=color, linestyle=dash, linewidth=1.2, label=label)
    axis.fill_between(wide.index, wide.min(axis=1), wide.max(axis=1), color=color, alpha=0.15, linewidth=0)
