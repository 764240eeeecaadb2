"""The figure of the study `checkpoints`."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from mda.evidence.outcome_names import OUTCOME_NAMES
from mda.figures import panels, style
from mda.studies.checkpoints.table import CHOSEN, COMPARED


def draw(table: pd.DataFrame, palette: style.Palette) -> Figure:
    """What removal by influence at each checkpoint does, against removal at random."""
    targets = list(dict.fromkeys(table["target"]))
    rows = table.groupby(["target", "outcome"]).size().max()
    figure, axes = panels.grid(len(targets), len(COMPARED), 0.7 + 0.2 * rows, least=1.8, sharey="row")
    for row, target in zip(axes, targets, strict=True):
        for axis, outcome in zip(row, COMPARED, strict=True):
            mine = table[(table["target"] == target) & (table["outcome"] == outcome)]
            names = [
                "chosen by other orders"
                if line.scores == CHOSEN
                else f"{line.scores}{' (configured)' if line.configured else ''}"
                for line in mine.itertuples()
            ]
            colors = [palette["influence"] if own else panels.COMMON for own in mine["configured"]]
            marks = ["D" if scores == CHOSEN else "o" for scores in mine["scores"]]
            panels.forest(axis, mine, "to_random", names, colors, marks=marks)
            axis.set_title(f"{target}\nchosen: {mine['picked'].iloc[-1]}", loc="left")
            axis.set_xlabel(f"{OUTCOME_NAMES[outcome]},\ndifference to random")
    return figure
