"""The figure of the study `replication`."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from mda.evidence.outcome_names import OUTCOME_NAMES
from mda.figures import panels, style


def draw(table: pd.DataFrame, palette: style.Palette) -> Figure:
    """The planned tests in every model, and across them."""
    targets, tests = list(dict.fromkeys(table["target"])), list(dict.fromkeys(table["test"]))
    figure, axes = panels.grid(
        len(targets), len(tests), 0.7 + 0.2 * table["experiment"].nunique(), least=1.8, sharey="row"
    )
    for row, target in zip(axes, targets, strict=True):
        for axis, test in zip(row, tests, strict=True):
            mine = table[(table["target"] == target) & (table["test"] == test)]
            names = [
                f"{name} ({'models' if name == 'all' else 'orders'}: {runs})"
                for name, runs in zip(mine["experiment"], mine["runs"], strict=True)
            ]
            colors = [panels.COMMON if name == "all" else palette["influence"] for name in mine["experiment"]]
            panels.forest(axis, mine, "to_random", names, colors)
            axis.set_title(f"{target}: {test}")
            axis.set_xlabel(f"{OUTCOME_NAMES[mine['outcome'].iloc[0]]},\ndifference to random")
    return figure
