"""The figure of the study `placebo`."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from mda.evidence.outcome_names import OUTCOME_NAMES
from mda.figures import panels, style


def draw(table: pd.DataFrame, palette: style.Palette) -> Figure:
    """The share of comparisons that find something, against the nominal rate."""
    del palette
    targets, nominal = list(dict.fromkeys(table["target"])), float(table["nominal"].iloc[0])
    figure, axes = panels.grid(
        1, len(targets), 0.5 + 0.2 * table["outcome"].nunique(), least=2.2, sharey=True
    )
    for axis, target in zip(axes[0], targets, strict=True):
        mine = table[table["target"] == target]
        names = [OUTCOME_NAMES[outcome] for outcome in mine["outcome"]]
        panels.forest(axis, mine, "rate", names, [panels.COMMON] * len(mine), zero=nominal)
        axis.set_title(target)
        axis.set_xlabel(f"share of comparisons with p < {nominal:.2g},\nof runs treated at random")
        axis.set_xlim(-0.02, max(0.3, 1.05 * mine["rate_high"].max()))
    return figure
