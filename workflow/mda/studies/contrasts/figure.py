"""The figure of the study `contrasts`."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mda.evidence.outcome_names import OUTCOME_NAMES
from mda.figures import panels, style
from mda.studies.contrasts.table import ALL


def draw(table: pd.DataFrame, palette: style.Palette) -> Figure:
    """Every planned contrast over all models, with each model's own mean; a panel for each outcome."""
    targets, outcomes = list(dict.fromkeys(table["target"])), list(dict.fromkeys(table["outcome"]))
    across = table[table["experiment"] == ALL]
    rows = across.groupby(["target", "outcome"]).size().max()
    figure, axes = panels.grid(len(targets), len(outcomes), 0.9 + 0.32 * rows, least=3.0)
    for row, target in zip(axes, targets, strict=True):
        for axis, outcome in zip(row, outcomes, strict=True):
            mine = table[(table["target"] == target) & (table["outcome"] == outcome)]
            _draw_panel(axis, mine, palette)
            axis.set_title(_title(target, mine), loc="left")
            axis.set_xlabel(f"{OUTCOME_NAMES[outcome]},\ninfluence minus the control")
            axis.plot([], [], "|", color=panels.COMMON, markersize=5, label="mean of one model")
    style.shared_legend(figure, axes)
    return figure


def _draw_panel(axis: Axes, mine: pd.DataFrame, palette: style.Palette) -> None:
    lines = mine[mine["experiment"] == ALL]
    names = [
        f"{style.INTERVENTION_NAMES.get(line.intervention, line.intervention)}\nagainst "
        f"{line.control.replace('_', ' ')}"
        for line in lines.itertuples()
    ]
    colors = [palette[style.method_of(name)] for name in lines["control"]]
    marks = [style.mark_of(name) for name in lines["control"]]
    panels.forest(axis, lines, "difference", names, colors, marks=marks)
    for place, (line, color) in enumerate(zip(lines.itertuples(), colors, strict=True)):
        of_models = mine[
            (mine["experiment"] != ALL)
            & (mine["intervention"] == line.intervention)
            & (mine["control"] == line.control)
        ]["difference"].dropna()
        height = len(lines) - 1 - place
        low = np.full(len(of_models), height - 0.25)
        axis.plot(of_models, low, "|", color=color, markersize=5, alpha=0.8)
        if not np.isnan(line.difference_q):
            axis.annotate(
                f"p {line.difference_q:.2g}", (1, height), xycoords=("axes fraction", "data"), xytext=(3, 0),
                textcoords="offset points", va="center", fontsize=7,
            )  # fmt: skip
    axis.set_ylim(-0.7, len(lines) - 0.4)


def _title(target: str, mine: pd.DataFrame) -> str:
    """How many models and orders the contrasts have."""
    lines = mine[mine["experiment"] == ALL]
    ends = [_range(lines[column]) for column in ("models", "orders")]
    return f"{target}\n{ends[0]} of {mine['experiment'].nunique() - 1} models, {ends[1]} orders"


def _range(numbers: pd.Series) -> str:
    least, most = int(numbers.min()), int(numbers.max())
    return f"{most}" if least == most else f"{least} to {most}"
