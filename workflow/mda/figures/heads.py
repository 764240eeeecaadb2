"""The metrics of every head at every checkpoint."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mda.figures import style


def draw(scores: pd.DataFrame, names: Mapping[int, str]) -> Figure:
    """Every metric of every head (rows layers, columns heads) at every checkpoint.

    Args:
        names: what to call each checkpoint, by its step.
    """
    metrics = [metric for metric in style.METRIC_NAMES if metric in scores.columns]
    steps = sorted(set(scores["step"]))
    layers, heads = scores["layer"].max() + 1, scores["head"].max() + 1
    # Small models have a number in every cell, and so wider panels. Inches.
    numbers = layers * heads <= 64
    least = 0.58 if numbers else 0.075 * heads + 0.1
    columns = min(len(steps), max(1, int(0.78 * style.width() / least)))
    cell = 0.78 * style.width() / columns / heads
    panel = max(1.0, (0.32 if numbers else 0.085) * layers)
    lines = -(-len(steps) // columns)
    figure = plt.figure(figsize=(style.width(), len(metrics) * lines * (panel + 0.45) + 0.2 * len(metrics)))
    told = []
    for part, metric in zip(np.atleast_1d(figure.subfigures(len(metrics), 1)), metrics, strict=True):
        axes = part.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
        low, high = (0, 1) if metric != "copying" else (scores[metric].min(), scores[metric].max())
        for axis in axes.flat[len(steps) :]:
            axis.set_axis_off()
        for axis, step in zip(axes.flat, steps, strict=False):
            values = scores[scores["step"] == step].pivot(index="layer", columns="head", values=metric)
            image = axis.imshow(
                values, vmin=low, vmax=high, cmap="viridis", aspect="auto", interpolation="nearest"
            )
            # Upright where cells are wide, on end where they are narrow.
            if numbers and cell > 0.12:
                _write_values(axis, values.to_numpy(), (low + high) / 2, 0 if cell > 0.34 else 90)
            axis.locator_params(integer=True, nbins=max(1, min(heads, int(heads * cell / 0.15))), axis="x")
            axis.locator_params(integer=True, nbins=min(layers, 6), axis="y")
            axis.set_title(names[step])
        last = scores[scores["step"] == steps[-1]]
        best = last.loc[last[metric].idxmax()]
        told.append(
            f"highest {style.METRIC_NAMES[metric]} at {names[steps[-1]]}: {best[metric]:.2f}, "
            f"layer {best['layer']:.0f} head {best['head']:.0f}"
        )
        part.supylabel("layer", fontsize=8)
        part.suptitle(style.METRIC_NAMES[metric], fontsize=8, fontweight="bold")
        part.supxlabel("head", fontsize=8)
        part.colorbar(image, ax=axes, shrink=0.9)
    style.tell(figure, "; ".join(told))
    return figure


def _write_values(axis: Axes, values: np.ndarray, middle: float, rotation: int) -> None:
    for (layer, head), value in np.ndenumerate(values):
        color = "white" if value < middle else "black"
        axis.text(
            head, layer, f"{value:.2f}", ha="center", va="center", fontsize=6, color=color, rotation=rotation
        )
