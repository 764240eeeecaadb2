"""The figure of the study `null`."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from mda.figures import panels, style


def draw(table: pd.DataFrame, palette: style.Palette) -> Figure:
    """The share of tests that find something, against the nominal rate."""
    del palette
    figure, axes = panels.grid(1, 1, 0.5 + 0.18 * len(table))
    names = [
        f"{outcome}, {comparison.replace('_', ' ')} ({tests} tests)"
        for outcome, comparison, tests in zip(
            table["outcomes"], table["comparison"], table["tests"], strict=True
        )
    ]
    panels.forest(
        axes[0][0], table, "rate", names, [panels.COMMON] * len(table), zero=float(table["nominal"].iloc[0])
    )
    axes[0][0].set_xlabel(
        "share of tests with p < {0:.2g}\n(by chance: {0:.2g})".format(table["nominal"].iloc[0])
    )
    axes[0][0].set_xlim(-0.02, 1.02)
    return figure
