"""The figure of the study `ablation`."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mda.figures import panels, style
from mda.studies.ablation.table import HELD_OUT, RANDOM, REPEATED

NAMES = {HELD_OUT: "held-out text", REPEATED: "held-out, repeated", RANDOM: "random, repeated"}
# How far below the target its controls are drawn.
BELOW = 0.25


def draw(table: pd.DataFrame, palette: style.Palette) -> Figure:
    """What each target carries of the loss at each checkpoint, and as many other units: a panel a text."""
    targets, steps = list(dict.fromkeys(table["target"])), sorted(set(table["step"]))
    figure, axes = panels.grid(1, len(NAMES), 0.7 + 0.3 * len(targets) * len(steps), least=1.6, sharey=True)
    for axis, (text, title) in zip(axes[0], NAMES.items(), strict=True):
        mine = table[table["text"] == text]
        mine = mine.sort_values("target", key=lambda names: names.map(targets.index), kind="stable")
        names = [f"{line.target}, step {line.step}" for line in mine.itertuples()]
        panels.forest(axis, mine, "carried", names, [palette["influence"]] * len(mine))
        axis.plot([], [], "o", color=palette["influence"], markersize=4, label="the units of the target")
        _draw_controls(axis, mine, palette["random"])
        axis.set_ylim(-0.6 - BELOW, len(mine) - 0.4)
        axis.set_title(title)
        axis.set_xlabel("loss carried,\nnats a token")
    style.shared_legend(figure, axes)
    return figure


def _draw_controls(axis: Axes, lines: pd.DataFrame, color: str) -> None:
    """The mean, least and most of what as many other units carry, below each row of a forest."""
    told = [str(axis.get_label())]
    for place, line in enumerate(lines.itertuples()):
        if line.draws == 0:
            continue
        height = len(lines) - 1 - place - BELOW
        label = "as many other units of its layers" if len(told) == 1 else "_"
        axis.plot([line.others_least, line.others_most], [height] * 2, color=color, linewidth=0.8)
        axis.plot(line.others, height, "s", color=color, markersize=2.5, label=label)
        told.append(f"{line.target}, step {line.step}, others {line.others:.3g}")
    style.tell(axis, "; ".join(told))
