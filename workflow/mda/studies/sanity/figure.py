"""The figure of the study `sanity`."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from mda.figures import panels, style
from mda.studies.sanity.checks import AGREEMENT, MOST


def draw(table: pd.DataFrame, palette: style.Palette) -> Figure:
    """Rank correlations of the model with models of new weights, and of these with each other."""
    shown = table[table["check"].isin(AGREEMENT)]
    targets = list(dict.fromkeys(shown["target"]))
    figure, axes = panels.grid(
        1, len(targets), 0.6 + 0.45 * len(shown) / len(targets), least=2.6, sharey=True
    )
    for axis, target in zip(axes[0], targets, strict=True):
        mine = shown[shown["target"] == target]
        columns = {f"reference{end}": f"value{end}" for end in ("", "_low", "_high")}
        others = mine.drop(columns=list(columns.values())).rename(columns=columns)
        lines = pd.concat([mine.assign(mark="o"), others.assign(mark="D")]).sort_index(kind="stable")
        lines = lines[(lines["mark"] == "o") | lines["value"].notna()]
        names = [
            f"{line.method}, {line.check}" if line.mark == "o" else "two draws" for line in lines.itertuples()
        ]
        colors = [palette[line.method] if line.mark == "o" else panels.COMMON for line in lines.itertuples()]
        panels.forest(axis, lines, "value", names, colors, marks=list(lines["mark"]))
        for bound in (-MOST, MOST):
            axis.axvline(bound, color="0.6", linewidth=0.8, linestyle=":")
        axis.set_title(target)
        axis.set_xlabel("rank correlation of scores")
    return figure
