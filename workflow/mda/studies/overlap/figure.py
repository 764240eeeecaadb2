"""The figure of the study `overlap`."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mda.figures import panels, style


def draw(table: pd.DataFrame, palette: style.Palette) -> Figure:
    """The Jaccard index of every pair of units, as a map."""
    del palette
    names = list(dict.fromkeys([*table["one"], *table["other"]]))
    units = dict(zip(table["one"], table["one_units"], strict=True))
    units |= dict(zip(table["other"], table["other_units"], strict=True))
    values, lows, highs = (np.eye(len(names)) for _ in range(3))
    for _, line in table.iterrows():
        one, other = names.index(line["one"]), names.index(line["other"])
        for array, column in ((values, "jaccard"), (lows, "jaccard_low"), (highs, "jaccard_high")):
            array[one, other] = array[other, one] = line[column]
    width = style.width()
    figure, axes = plt.subplots(figsize=(width, max(2.5, 0.5 * width)))
    shown = [f"{name}\n{units[name]}" for name in names]
    panels.heat_map(axes, (values, lows, highs), shown, shown, 0, 1, "viridis", "{:.2f}")
    axes.set_title(f"Jaccard index of the top samples\n(chance {table['chance'].iloc[0]:.2f})")
    return figure
