"""The figure of the study `crossed`."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from mda.figures import panels, style


def draw(table: pd.DataFrame, palette: style.Palette) -> Figure:
    """The effect of every removal on every head, as two maps."""
    del palette
    metrics = {"prefix_matching": "prefix matching", "previous_token": "previous token"}
    height = 0.5 + 0.5 * table["removed"].nunique()
    figure, axes = panels.grid(1, 2, height, least=2.6, sharey=True)
    size = table["to_random"].abs().max()
    # No effect on any head, or none known.
    size = size if size > 0 else 1.0
    for axis, (metric, words) in zip(axes[0], metrics.items(), strict=True):
        mine = table[table["metric"] == metric]
        places = {"index": "removed", "columns": "head"}
        wide = mine.pivot(**places, values="to_random")
        ends = [mine.pivot(**places, values=f"to_random_{end}").to_numpy() for end in ("low", "high")]
        removed = mine.drop_duplicates("removed").set_index("removed")["removed_units"]
        heads = mine.drop_duplicates("head").set_index("head")["induction"]
        panels.heat_map(
            axis, (wide.to_numpy(), *ends), [f"{name}\n({removed[name]})" for name in wide.index],
            [f"{head}\ninduction" if heads[head] else str(head) for head in wide.columns],
            -size, size, style.DIVERGING, "{:+.3f}",
        )  # fmt: skip
        axis.set_title(f"effect on {words},\nagainst random")
        axis.set_xlabel("head")
    axes[0][0].set_ylabel("samples removed of")
    return figure
