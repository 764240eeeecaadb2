"""In-context learning against the target's metric."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mda.figures import panels, style


def draw(curves: pd.DataFrame, target: str, metric: str, palette: style.Palette) -> Figure:
    """ICL score against the target's metric: along every run, and at the mean over its window."""
    mine = curves[curves["target"] == target]
    figure, [(left, right)] = panels.grid(1, 2, 2.2, least=1.8)
    for (_, selection, _, _), run in mine.groupby(["intervention", "selection", "fraction", "seed"]):
        color = palette["base" if selection == "none" else style.method_of(selection)]
        dash = style.dash_of("base" if selection == "none" else selection, target)
        left.plot(run["score"], run["icl_score"], color=color, alpha=0.35, linewidth=0.7, linestyle=dash)
    means = mine.groupby(["intervention", "selection", "fraction", "seed"])[["score", "icl_score"]].mean()
    for selection, part in means.groupby("selection"):
        color = palette["base" if selection == "none" else style.method_of(selection)]
        face = "white" if style.foreign(selection, target) else color
        right.plot(
            part["score"],
            part["icl_score"],
            style.mark_of("base" if selection == "none" else selection),
            color=color,
            markerfacecolor=face,
            markersize=3.5,
            label=style.label_of(selection, target),
        )
    told = ""
    # Runs that all came out the same have no correlation.
    if len(means) > 2 and (means.max() > means.min()).all():
        told = f" (r = {np.corrcoef(means['score'], means['icl_score'])[0, 1]:.2f})"
    right.set_title(f"mean over the window, a point a run{told}")
    left.set_title("along every run")
    for axis in (left, right):
        axis.locator_params(axis="x", nbins=5)
        axis.set_xlabel(style.METRIC_NAMES[metric])
        axis.set_ylabel("ICL score (nats)")
    style.tell(right, f"{len(means)} runs{told}")
    handles, names = right.get_legend_handles_labels()
    style.legend_below(figure, list(zip(handles, names, strict=True)))
    return figure
