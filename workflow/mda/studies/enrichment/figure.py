"""The figure of the study `enrichment`."""

from __future__ import annotations

import textwrap

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mda.figures import panels, style

# Side -> its colour, mark, how far above its row it stands, and words.
SIDES = {
    "proponents": (style.STRENGTHENS, "^", 0.17, "samples of highest influence"),
    "opponents": (style.WEAKENS, "v", -0.17, "samples of lowest influence"),
}


def draw(table: pd.DataFrame, palette: style.Palette) -> Figure:
    """Labels and features of the samples at both ends, against all samples."""
    del palette
    targets = list(dict.fromkeys(table["target"]))
    rows = max(part["name"].nunique() for _, part in table.groupby(["target", "kind"], sort=False))
    figure, axes = panels.grid(len(targets), 2, 0.9 + 0.26 * rows, least=1.8)
    for row, target in zip(axes, targets, strict=True):
        mine = table[table["target"] == target]
        _rows(row[0], mine[mine["kind"] == "label"], "ratio", 1.0)
        features = mine[mine["kind"] == "feature"]
        # What is the same in all samples has nothing to show.
        same = (features["auroc_low"] == 0.5) & (features["auroc_high"] == 0.5)
        left_out = list(dict.fromkeys(features["name"][same]))
        _rows(row[1], features[~features["name"].isin(left_out)], "auroc", 0.5)
        row[0].set_title(f"{target}: labels")
        row[1].set_title(f"{target}: features")
        row[0].set_xlabel("share of the label, over its share of all\n(1: as many)")
        words = "chance to have more than a random\nsample (0.5: as many)"
        if left_out:
            told = f"the same in all samples: {', '.join(left_out)}"
            words += "\n" + textwrap.fill(told, 36)
        row[1].set_xlabel(words)
    marks = [
        plt.Line2D([], [], marker=mark, color=color, markersize=4) for color, mark, _, _ in SIDES.values()
    ]
    figure.legend(
        marks,
        [words for *_, words in SIDES.values()],
        loc="outside lower center",
        ncols=2 if style.width() > 4 else 1,
    )
    return figure


def _rows(axis: Axes, lines: pd.DataFrame, value: str, zero: float) -> None:
    """A row for each name, with both sides in it."""
    names = sorted(set(lines["name"]))
    for side, (color, mark, above, _) in SIDES.items():
        for line in lines[lines["side"] == side].to_dict("records"):
            height = len(names) - 1 - names.index(line["name"]) + above
            axis.plot([line[f"{value}_low"], line[f"{value}_high"]], [height] * 2, color=color, linewidth=1.5)
            axis.plot(line[value], height, mark, color=color, markersize=4)
    axis.set_yticks(range(len(names)), [style.wrapped(style.shown(name)) for name in reversed(names)])
    axis.set_ylim(-0.6, len(names) - 0.4)
    axis.axvline(zero, color="0.6", linewidth=0.6)
    told = [f"{style.shown(line['name'])} ({line['side']})" for line in lines.to_dict("records")]
    style.tell(axis, panels.rows_in_words(lines, value, told))
