"""The effect of every cell with its interval."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from mda.figures import style
from mda.planning.cell import BASE


def draw(table: pd.DataFrame, target: str, outcomes: Sequence[str], palette: style.Palette) -> Figure:
    """Difference to the base with its interval: a panel for each outcome, a line for each cell."""
    mine = table[(table["target"] == target) & (table["intervention"] != BASE)]
    cells = mine[["intervention", "selection", "fraction"]].drop_duplicates()
    kinds = list(style.INTERVENTION_NAMES)
    cells = sorted(
        cells.itertuples(index=False), key=lambda cell: (kinds.index(cell[0]), cell[2], style.order(cell[1]))
    )
    figure, axes = plt.subplots(
        1, len(outcomes), figsize=(style.WIDTH, 0.8 + 0.19 * len(cells)), sharey=True, squeeze=False
    )
    for axis, outcome in zip(axes[0], outcomes, strict=True):
        lines = mine[mine["outcome"] == outcome].set_index(["intervention", "selection", "fraction"])
        for height, cell in enumerate(reversed(cells)):
            line = lines.loc[tuple(cell)]
            color = palette[style.method_of(cell[1])]
            axis.plot(
                [line["to_base_low"], line["to_base_high"]],
                [height, height],
                color=color,
                linewidth=1.5,
            )
            face = "white" if style.foreign(cell[1], target) else color
            axis.plot(line["to_base"], height, "o", color=color, markerfacecolor=face, markersize=3.5)
        axis.axvline(0, color="0.6", linewidth=0.6)
        axis.locator_params(axis="x", nbins=3)
        better = lines["better"].iloc[0]
        axis.set_title(f"{style.OUTCOME_NAMES[outcome]}\n(stronger is {better})")
        axis.set_xlabel("difference to base")
    names = [
        f"{style.INTERVENTION_NAMES[kind]}, {style.label_of(selection, target)}, {100 * fraction:g} %"
        for kind, selection, fraction in reversed(cells)
    ]
    axes[0][0].set_yticks(range(len(cells)), names)
    return figure
