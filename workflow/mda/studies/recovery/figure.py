"""The figure of the study `recovery`."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from mda.figures import panels, style


def draw(table: pd.DataFrame, palette: style.Palette) -> Figure:
    """How well scores tell the catalysts of each corpus from the rest."""
    values = {
        "auroc": "AUROC among all", "decoys_auroc": "AUROC among decoys", "precision": "share of the top"
    }  # fmt: skip
    values = {value: words for value, words in values.items() if table[value].notna().any()}
    if not values:
        return panels.nothing()
    corpora = table.drop_duplicates("experiment").sort_values(["repeats", "share"], ascending=False)
    places = {name: place for place, name in enumerate(corpora["experiment"])}
    figure, axes = panels.grid(1, len(values), 0.7 + 0.3 * len(places), sharey=True)
    for axis, (value, words) in zip(axes[0], values.items(), strict=True):
        for number, (method, mine) in enumerate(table.groupby("method", sort=False)):
            color = palette[str(method)]
            heights = mine["experiment"].map(places) + 0.2 * (number - 1)
            axis.hlines(heights, mine[f"{value}_low"], mine[f"{value}_high"], color=color, linewidth=1.2)
            for formed, fill in ((True, color), (False, "white")):
                part = mine["formed"] == formed
                axis.plot(
                    mine[value][part], heights[part], style.mark_of(str(method)), color=color,
                    markersize=4, markerfacecolor=fill,
                    label=str(method) if formed else None,
                )  # fmt: skip
        axis.set_title(words)
        axis.set_xlim(-0.03, 1.03)
        if value == "precision":
            # What the share would be if the top were drawn.
            axis.plot(corpora["share"], range(len(places)), "|", color="0.5", markersize=9)
        else:
            axis.axvline(0.5, color="0.6", linewidth=0.6)
    names = [
        f"{100 * share:g} %, {repeats:.2g} times"
        for share, repeats in zip(corpora["share"], corpora["repeats"], strict=True)
    ]
    axes[0][0].set_yticks(range(len(places)), names)
    axes[0][0].invert_yaxis()
    axes[0][0].set_ylabel("catalysts, and how often\ntheir motif fits")
    style.shared_legend(figure, axes)
    return figure
