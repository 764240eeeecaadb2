"""The figure of the study `controls`."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from mda.evidence.outcome_names import OUTCOME_NAMES
from mda.figures import panels, style


def draw(table: pd.DataFrame, palette: style.Palette) -> Figure:
    """What selecting by influence does beyond every control."""
    outcomes = ("formation_step", "score_area")
    targets = list(dict.fromkeys(table["target"]))
    rows = len(table[table["outcome"] == outcomes[0]]) / len(targets)
    figure, axes = panels.grid(len(targets), 2, 0.6 + 0.19 * rows, least=1.8, sharey="row")
    for row, target in zip(axes, targets, strict=True):
        for axis, outcome in zip(row, outcomes, strict=True):
            mine = table[(table["target"] == target) & (table["outcome"] == outcome)]
            names = [style.label_of(control, target).replace(f"-{target}", "") for control in mine["control"]]
            colors = [palette[style.method_of(name)] for name in mine["control"]]
            marks = [style.mark_of(name) for name in mine["control"]]
            panels.forest(axis, mine, "beyond", names, colors, marks=marks)
            axis.set_title(f"{target}: {OUTCOME_NAMES[outcome]}")
            axis.set_xlabel("influence minus the control")
    return figure
