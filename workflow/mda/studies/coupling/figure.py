"""The figure of the study `coupling`."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from mda.figures import panels, style


def draw(table: pd.DataFrame, palette: style.Palette) -> Figure:
    """Correlations of the unit's metric with the ICL score and with the held-out loss."""
    del palette
    targets = list(dict.fromkeys(table["target"]))
    columns = {
        "r": "the ICL score",
        "held_out_r": "the held-out loss",
        "partial_r": "the ICL score,\ngiven the held-out loss",
    }
    figure, axes = panels.grid(
        len(targets), len(columns), 0.6 + 0.2 * len(table) / len(targets), least=1.8, sharey="row"
    )
    for row, target in zip(axes, targets, strict=True):
        mine = table[table["target"] == target]
        names = [
            f"{style.INTERVENTION_NAMES.get(of, of)} ({runs} runs)"
            for of, runs in zip(mine["runs_of"], mine["runs"], strict=True)
        ]
        for axis, column in zip(row, columns, strict=True):
            panels.forest(axis, mine, column, names, [panels.COMMON] * len(mine))
            axis.set_xlim(-1.05, 1.05)
        row[0].set_title(target, loc="left")
    # Where panels stand below each other, each says what it is.
    for row in axes if style.width() < style.NARROW else axes[-1:]:
        for axis, words in zip(row, columns.values(), strict=True):
            axis.set_xlabel(f"correlation with\n{words}")
    return figure
