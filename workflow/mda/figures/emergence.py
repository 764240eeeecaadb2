"""The target's metric over the window, in every branch."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mda.evidence import statistics
from mda.figures import panels, style
from mda.planning.cell import BASE


def draw(
    curves: pd.DataFrame, target: str, metric: str, threshold: float, confidence: float,
    marked: tuple[int, int, int], palette: style.Palette,
) -> Figure:  # fmt: skip
    """The target's metric over the window: a panel for each intervention, a line for each selection.

    Lines are means over order seeds, and bands their interval (Student's t). A mark at the threshold is the
    mean formation step with its interval. Rows of panels are fractions.

    Args:
        confidence: of the intervals.
        marked: first step of the window, the step after its last, and the step at which influence was
            computed.
    """
    mine = curves[curves["target"] == target]
    kinds = [kind for kind in style.INTERVENTION_NAMES if kind in set(mine["intervention"])]
    fractions = sorted(set(mine["fraction"]) - {0.0})
    figure, axes = panels.grid(len(fractions), len(kinds), 1.95, sharex=True, sharey=True)
    base = mine[mine["intervention"] == BASE]
    for row, fraction in zip(axes, fractions, strict=True):
        for axis, kind in zip(row, kinds, strict=True):
            cell = mine[(mine["intervention"] == kind) & (mine["fraction"] == fraction)]
            axis.axvspan(*marked[:2], color="0.95", linewidth=0, label="window that is changed")
            axis.axvline(marked[2], color="0.35", linewidth=0.8, linestyle="-.", label="influence computed")
            axis.axhline(threshold, color="0.6", linewidth=0.6, linestyle=":")
            groups = [("none", base)]
            groups += [
                (name, cell[cell["selection"] == name])
                for name in sorted(set(cell["selection"]), key=style.order)
            ]
            told = []
            for selection, runs in groups:
                color = palette["base" if selection == "none" else style.method_of(selection)]
                formed = _line(axis, runs, selection, target, color, threshold, confidence)
                told.append(f"{style.label_of(selection, target)} {formed}")
            style.tell(axis, "mean formation steps: " + "; ".join(told))
            axis.set_title(f"{style.INTERVENTION_NAMES[kind]}, {100 * fraction:g} %")
        for axis in row:
            if axis.get_subplotspec().is_first_col():
                axis.set_ylabel(style.METRIC_NAMES[metric])
    for axis in axes[-1]:
        axis.set_xlabel("step")
    style.shared_legend(figure, axes)
    means = base.groupby("step")["score"].mean()
    style.tell(
        figure,
        f"{style.METRIC_NAMES[metric]} of {target} by step, a line for the base, from {means.iloc[0]:.2f} to "
        f"{means.iloc[-1]:.2f}, and one for each selection. The threshold is {threshold:g}; steps "
        f"{marked[0]} to {marked[1] - 1} are changed; influence is computed at step {marked[2]}",
    )
    return figure


def _line(
    axis: Axes, runs: pd.DataFrame, selection: str, target: str, color: str, threshold: float,
    confidence: float,
) -> str:  # fmt: skip
    """Draw one selection's runs; returns when they form, in words."""
    wide = runs.pivot(index="step", columns="seed", values="score")
    dash = style.dash_of("base" if selection == "none" else selection, target)
    label = style.label_of(selection, target)
    axis.plot(wide.index, wide.mean(axis=1), color=color, linestyle=dash, linewidth=1.2, label=label)
    low, high = statistics.mean_interval(wide.to_numpy(), confidence)
    axis.fill_between(wide.index, low, high, color=color, alpha=0.15, linewidth=0)
    formed = [
        statistics.formation(wide.index.to_numpy(float), wide[seed].to_numpy(), threshold) for seed in wide
    ]
    if not any(one.formed for one in formed):
        return "does not form"
    steps = np.array([[one.step for one in formed]])
    [low], [high] = statistics.mean_interval(steps, confidence)
    axis.plot([low, high], [threshold] * 2, color=color, linewidth=0.9)
    mark = style.mark_of("base" if selection == "none" else selection)
    axis.plot(
        steps.mean(), threshold, mark, color=color, markersize=4, markeredgecolor="white", markeredgewidth=0.4
    )
    return f"{steps.mean():.4g}" + ("" if np.isnan(low) else f" [{low:.4g}, {high:.4g}]")
