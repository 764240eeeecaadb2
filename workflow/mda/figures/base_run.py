"""The target's metric over the base run, beside published checkpoints."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from mda.figures import panels, style


def draw(
    run: pd.DataFrame, published: pd.DataFrame, metric: str, window: tuple[int, int], palette: style.Palette
) -> Figure:
    """The target's metric, the held-out loss and the ICL score over the base run, window shaded.

    Args:
        run, published: columns step, score, held_out_loss, icl_score: of the base run, and of
            published checkpoints, drawn as marks; the latter may be empty.
    """
    names = {
        "score": style.METRIC_NAMES[metric],
        "held_out_loss": "held-out loss (nats)",
        "icl_score": "ICL score (nats)",
    }
    figure, [axes] = panels.grid(1, len(names), 1.8)
    for axis, (column, name) in zip(axes, names.items(), strict=True):
        axis.axvspan(*window, color="0.93", linewidth=0)
        axis.plot(run["step"], run[column], color=palette["base"], linewidth=1.2, label="base run")
        if len(published):
            axis.plot(
                published["step"], published[column], "D", color="black",
                markersize=4, markerfacecolor="white", label="published checkpoint",
            )  # fmt: skip
        ends = run.sort_values("step")[column]
        style.tell(axis, f"from {ends.iloc[0]:.3g} to {ends.iloc[-1]:.3g}")
        axis.set_xlabel("step")
        axis.set_title(name)
        axis.locator_params(axis="x", nbins=5)
    if len(published):
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
