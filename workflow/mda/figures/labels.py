"""The labels of the selected samples."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from mda.figures import panels, style


def draw(shares: pd.DataFrame, target: str) -> Figure:
    """Share of each source label among the selected samples, against its base rate.

    Args:
        shares: columns label, selection ('all' is the window), share.
    """
    wide = shares.pivot(index="label", columns="selection", values="share").fillna(0.0)
    wide = wide.sort_values("all", ascending=True)
    selections = ["all", *sorted(set(wide.columns) - {"all"}, key=style.order)]
    height = 0.6 + 0.22 * len(wide)
    figure, axes = panels.grid(1, len(selections), height, least=1.2, sharey=True, sharex=True)
    for axis, selection in zip(axes[0], selections, strict=True):
        axis.barh(range(len(wide)), 100 * wide[selection], color="0.6", height=0.7)
        for height, (share, rate) in enumerate(zip(wide[selection], wide["all"], strict=True)):
            # Beyond the mark as well as the bar.
            axis.text(100 * max(share, rate) + 4, height, f"{100 * share:.0f}", va="center", fontsize=7)
        if selection != "all":
            [mark] = axis.plot(100 * wide["all"], range(len(wide)), "|", color="black", markersize=10)
        style.tell(
            axis,
            ", ".join(
                f"{style.shown(label)} {100 * share:.0f} % (of all {100 * rate:.0f} %)"
                for label, share, rate in zip(wide.index, wide[selection], wide["all"], strict=True)
            ),
        )
        axis.set_title("all samples" if selection == "all" else style.label_of(selection, target))
        # Room for the numbers, and no share above all.
        axis.set_xlim(0, 122)
        axis.set_xticks((0, 50, 100))
        axis.set_xlabel("% of samples")
    axes[0][0].set_yticks(range(len(wide)), [style.wrapped(style.shown(label)) for label in wide.index])
    if len(selections) > 1:
        style.legend_below(figure, [(mark, "share among all samples")])
    return figure
