"""The effect of every cell with its interval, against random selection."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mda.evidence.outcome_names import OUTCOME_NAMES
from mda.figures import panels, style
from mda.planning.cell import BASE

Cell = tuple[str, str, float]


def draw(table: pd.DataFrame, target: str, outcomes: Sequence[str], palette: style.Palette) -> Figure:
    """Differences with their intervals: a panel for each outcome, a line for each cell.

    Above, every selection against as many random samples that are treated in the same way, which is what
    claims are about. Below, random samples themselves, and selections without such a control, against the
    base.
    """
    mine = table[(table["target"] == target) & (table["intervention"] != BASE)]
    places = ["intervention", "selection", "fraction"]
    kinds = list(style.INTERVENTION_NAMES)
    cells = sorted(
        mine[places].drop_duplicates().itertuples(index=False, name=None),
        key=lambda cell: (kinds.index(cell[0]), cell[2], style.order(cell[1])),
    )
    known = mine[mine["to_random"].notna()]
    against = set(known[places].itertuples(index=False, name=None))
    above = [cell for cell in cells if cell in against]
    below = [cell for cell in cells if cell not in against]
    # Headings and cells, from top to bottom.
    rows: list[str | Cell] = []
    for heading, group in (("against random samples", above), ("against the base", below)):
        rows += [heading, *group] if group else []
    names = _names(rows, target)
    height = 0.8 + panels.rows_height(names)
    figure, axes = panels.grid(1, len(outcomes), height, least=1.8, sharey=True)
    for axis, outcome in zip(axes[0], outcomes, strict=True):
        lines = mine[mine["outcome"] == outcome].set_index(places)
        told = []
        for place, (cell, words) in enumerate(zip(rows, names, strict=True)):
            if isinstance(cell, str):
                told.append(words)
                continue
            name = "to_random" if cell in against else "to_base"
            _interval(axis, lines.loc[cell], name, -place, cell, target, palette)
            told.append(panels.rows_in_words(pd.DataFrame([lines.loc[cell]]), name, [words]))
        axis.axvline(0, color="0.6", linewidth=0.6)
        axis.locator_params(axis="x", nbins=3)
        axis.set_title(f"{OUTCOME_NAMES[outcome]}\n(stronger is {lines['better'].iloc[0]})")
        axis.set_xlabel(f"difference{_unit(outcome)}")
        axis.tick_params(axis="y", length=0)
        style.tell(axis, "; ".join(filter(None, told)))
    axes[0][0].set_yticks(range(0, -len(rows), -1), [style.wrapped(name) for name in names])
    axes[0][0].set_ylim(-len(rows) + 0.4, 0.6)
    return figure


def _unit(outcome: str) -> str:
    return {"formation_step": " (steps)", "icl_area": " (nats)"}.get(outcome, "")


def _names(rows: Sequence[str | Cell], target: str) -> list[str]:
    """Of every row; a fraction that all cells share stands in the headings."""
    fractions = {cell[2] for cell in rows if not isinstance(cell, str)}
    shared = f", {100 * fractions.pop():g} %" if len(fractions) == 1 else ""
    names = []
    for row in rows:
        if isinstance(row, str):
            names.append(f"{row}{shared}:")
        else:
            kind, selection, fraction = row
            own = "" if shared else f", {100 * fraction:g} %"
            names.append(f"{style.INTERVENTION_NAMES[kind]}, {style.label_of(selection, target)}{own}")
    return names


def _interval(
    axis: Axes, line: pd.Series, name: str, height: float, cell: Cell, target: str, palette: style.Palette
) -> None:
    if np.isnan(line[name]):
        return
    color = palette[style.method_of(cell[1])]
    face = "white" if style.foreign(cell[1], target) else color
    axis.plot([line[f"{name}_low"], line[f"{name}_high"]], [height] * 2, color=color, linewidth=1.5)
    axis.plot(line[name], height, style.mark_of(cell[1]), color=color, markerfacecolor=face, markersize=4)
