"""The figure of the study `augmentation`."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from mda.evidence.outcome_names import OUTCOME_NAMES
from mda.figures import panels, style


def draw(table: pd.DataFrame, palette: style.Palette) -> Figure:
    """The effect of new samples and of duplicates against random ones, by experiment."""
    # Random samples have no difference to themselves.
    table = table[(table["intervention"] != "base") & (table["selection"] != "random")]
    outcomes = ("formation_step", "score_area")
    groups = list(dict.fromkeys(zip(table["experiment"], table["target"], strict=True)))
    if not groups:
        return panels.nothing()
    rows = len(table[table["outcome"] == outcomes[0]]) / max(len(groups), 1)
    figure, axes = panels.grid(len(groups), 2, 0.6 + 0.2 * rows, least=1.8, sharey="row")
    for row, (experiment, target) in zip(axes, groups, strict=True):
        for axis, outcome in zip(row, outcomes, strict=True):
            mine = table[
                (table["experiment"] == experiment)
                & (table["target"] == target)
                & (table["outcome"] == outcome)
            ]
            words = {"augment": "new samples", "duplicate": "duplicates"}
            names = [
                f"{words[kind]}, {style.label_of(selection, target)}"
                for kind, selection in zip(mine["intervention"], mine["selection"], strict=True)
            ]
            colors = [palette[style.method_of(name)] for name in mine["selection"]]
            marks = [style.mark_of(name) for name in mine["selection"]]
            panels.forest(axis, mine, "to_random", names, colors, marks=marks)
            axis.set_title(f"{experiment}, {target}: {OUTCOME_NAMES[outcome]}")
            axis.set_xlabel("difference to random")
    return figure
