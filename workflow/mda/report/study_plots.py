"""Figures of the studies: each from its table alone, all targets in one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mda.planning.variants import changes
from mda.report.plots import (
    INTERVENTION_NAMES,
    OUTCOME_NAMES,
    WIDTH,
    label_of,
    method_of,
    shared_legend,
    shown,
)

Palette = Mapping[str, str]
COMMON = "#333333"


def draw(study: str, table: pd.DataFrame, palette: Palette) -> Figure:
    """The figure of a study; of a table that has nothing to draw, a sentence."""
    if table.empty:
        return _nothing()
    return FIGURES[study](table, palette)


def _nothing() -> Figure:
    figure, axes = plt.subplots(figsize=(WIDTH, 0.6))
    axes.set_axis_off()
    axes.text(0.5, 0.5, "There is nothing to draw: no comparison could be made.", ha="center", va="center")
    return figure


def _grid(rows: int, columns: int, height: float, **options: object) -> tuple[Figure, np.ndarray]:
    # A page is not higher than this, in inches.
    size = (WIDTH, min(9.5, 0.4 + rows * height))
    return plt.subplots(rows, columns, figsize=size, squeeze=False, **options)


def forest(
    axis: Axes,
    lines: pd.DataFrame,
    value: str,
    names: Sequence[str],
    colors: Sequence[str],
    zero: float | None = 0.0,
) -> None:
    """A line a row from top to bottom: the value as a mark, `_low` to `_high` as a bar."""
    heights = range(len(lines))[::-1]
    for height, color, (_, line) in zip(heights, colors, lines.iterrows(), strict=True):
        axis.plot([line[f"{value}_low"], line[f"{value}_high"]], [height] * 2, color=color, linewidth=1.5)
        axis.plot(line[value], height, "o", color=color, markersize=3.5)
    axis.set_yticks(list(heights), list(names))
    axis.set_ylim(-0.6, len(lines) - 0.4)
    if zero is not None:
        axis.axvline(zero, color="0.6", linewidth=0.6)


def _dose(table: pd.DataFrame, palette: Palette) -> Figure:
    targets, kinds = list(dict.fromkeys(table["target"])), list(dict.fromkeys(table["intervention"]))
    figure, axes = _grid(len(targets), len(kinds), 2.2, sharey="row")
    table = table[table["outcome"] == "formation_step"]
    for row, target in zip(axes, targets, strict=True):
        for axis, kind in zip(row, kinds, strict=True):
            cell = table[(table["target"] == target) & (table["intervention"] == kind)]
            for selection, mine in cell.groupby("selection", sort=False):
                mine, color = mine.sort_values("fraction"), palette[method_of(str(selection))]
                x = 100 * mine["fraction"]
                axis.plot(
                    x,
                    mine["to_base"],
                    "o-",
                    color=color,
                    markersize=3,
                    label=label_of(str(selection), target),
                )
                axis.fill_between(
                    x, mine["to_base_low"], mine["to_base_high"], color=color, alpha=0.15, linewidth=0
                )
            axis.axhline(0, color="0.6", linewidth=0.6)
            axis.set_title(f"{target}: {INTERVENTION_NAMES[kind]}")
            axis.set_xlabel("% of the window's samples")
        row[0].set_ylabel("formation step,\ndifference to base")
    shared_legend(figure, axes)
    return figure


def _words(variant: str) -> str:
    return ", ".join(value if key == "strategy" else f"{key} {value}" for key, value in changes(variant))


def _agreement(table: pd.DataFrame, palette: Palette) -> Figure:
    targets = list(dict.fromkeys(table["target"]))
    rows = len(table) // len(targets)
    figure, axes = _grid(len(targets), 2, 0.5 + 0.17 * rows, sharey="row")
    for row, target in zip(axes, targets, strict=True):
        mine = table[table["target"] == target]
        names = [_words(variant) for variant in mine["variant"]]
        colors = [
            palette.get(dict(changes(variant)).get("strategy", ""), COMMON) for variant in mine["variant"]
        ]
        forest(row[0], mine, "spearman", names, colors, zero=None)
        forest(row[1], mine, "overlap", names, colors, zero=None)
        row[1].axvline(mine["chance"].iloc[0], color="0.6", linestyle=":", linewidth=0.8)
        row[0].set_title(f"{target}: rank correlation")
        row[1].set_title("share of the top in common (dotted: chance)")
    for axis in axes[-1]:
        axis.set_xlabel("with the configured attribution")
    return figure


def _exact(table: pd.DataFrame, palette: Palette) -> Figure:
    targets = list(dict.fromkeys(table["target"]))
    figure, axes = _grid(1, len(targets), 0.5 + 0.2 * len(table) / len(targets), sharey=True)
    for axis, target in zip(axes[0], targets, strict=True):
        mine = table[table["target"] == target]
        colors = [palette.get(name, COMMON) for name in mine["curvature"]]
        forest(axis, mine, "spearman", list(mine["curvature"]), colors, zero=None)
        axis.set_title(target)
        axis.set_xlabel("rank correlation with the exact influence")
    return figure


def _controls(table: pd.DataFrame, palette: Palette) -> Figure:
    outcomes = ("formation_step", "score_area")
    targets = list(dict.fromkeys(table["target"]))
    rows = len(table[table["outcome"] == outcomes[0]]) / len(targets)
    figure, axes = _grid(len(targets), 2, 0.6 + 0.19 * rows, sharey="row")
    for row, target in zip(axes, targets, strict=True):
        for axis, outcome in zip(row, outcomes, strict=True):
            mine = table[(table["target"] == target) & (table["outcome"] == outcome)]
            names = [label_of(control, target).replace(f"-{target}", "") for control in mine["control"]]
            forest(axis, mine, "beyond", names, [palette[method_of(name)] for name in mine["control"]])
            axis.set_title(f"{target}: {OUTCOME_NAMES[outcome]}")
            axis.set_xlabel("influence minus the control")
    return figure


def _overlap(table: pd.DataFrame, palette: Palette) -> Figure:
    del palette
    names = list(dict.fromkeys([*table["one"], *table["other"]]))
    units = dict(zip(table["one"], table["one_units"], strict=True))
    units |= dict(zip(table["other"], table["other_units"], strict=True))
    values, lows, highs = (np.eye(len(names)) for _ in range(3))
    for _, line in table.iterrows():
        one, other = names.index(line["one"]), names.index(line["other"])
        for array, column in ((values, "jaccard"), (lows, "jaccard_low"), (highs, "jaccard_high")):
            array[one, other] = array[other, one] = line[column]
    figure, axes = plt.subplots(figsize=(0.65 * WIDTH, 0.5 * WIDTH))
    shown = [f"{name}\n{units[name]}" for name in names]
    _heat(axes, (values, lows, highs), shown, shown, 0, 1, "viridis", "{:.2f}")
    axes.set_title(f"Jaccard index of the top samples (chance {table['chance'].iloc[0]:.2f})")
    return figure


def _crossed(table: pd.DataFrame, palette: Palette) -> Figure:
    del palette
    metrics = {"prefix_matching": "prefix matching", "previous_token": "previous token"}
    figure, axes = plt.subplots(
        1, 2, figsize=(WIDTH, 0.9 + 0.5 * table["removed"].nunique()), sharey=True, squeeze=False
    )
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
        _heat(
            axis, (wide.to_numpy(), *ends), [f"{name}\n({removed[name]})" for name in wide.index],
            [f"{head}\ninduction" if heads[head] else str(head) for head in wide.columns],
            -size, size, "RdBu_r", "{:+.3f}",
        )  # fmt: skip
        axis.set_title(f"effect on {words}, against random")
        axis.set_xlabel("head")
    axes[0][0].set_ylabel("samples removed of")
    return figure


def _heat(
    axis: Axes, cells: tuple[np.ndarray, np.ndarray, np.ndarray], rows: Sequence[str], columns: Sequence[str],
    low: float, high: float, colors: str, style: str,
) -> None:  # fmt: skip
    """Values, with the lower and upper ends of their intervals, as a map of colours."""
    values, lows, highs = cells
    image = axis.imshow(values, vmin=low, vmax=high, cmap=colors, aspect="auto")
    # More cells than these have no room for numbers.
    if values.size <= 120:
        for (row, column), value in np.ndenumerate(values):
            red, green, blue, _ = image.cmap(image.norm(value))
            dark = 0.3 * red + 0.6 * green + 0.1 * blue < 0.5
            color, ends = "white" if dark else "black", (lows[row, column], highs[row, column])
            told = ends[0] < ends[1]
            axis.text(
                column,
                row - 0.15 * told,
                style.format(value),
                ha="center",
                va="center",
                fontsize=7,
                color=color,
            )
            # More columns than these have no room for intervals.
            if told and len(columns) <= 5:
                words = f"[{style.format(ends[0])}, {style.format(ends[1])}]"
                axis.text(column, row + 0.2, words, ha="center", va="center", fontsize=4.5, color=color)
    axis.set_yticks(range(len(rows)), rows)
    # Long names would run into each other.
    slant = 90 if len(columns) > 12 else 30 if max(map(len, columns)) > 14 else 0
    axis.set_xticks(range(len(columns)), columns, rotation=slant, ha="right" if slant == 30 else "center")


def _stream(table: pd.DataFrame, palette: Palette) -> Figure:
    targets = list(dict.fromkeys(table["target"]))
    figure, axes = _grid(len(targets), 1, 1.9, sharex=True)
    for axis, target in zip(axes[:, 0], targets, strict=True):
        mine = table[table["target"] == target]
        middle, width = (mine["start"] + mine["stop"]) / 2, mine["stop"] - mine["start"]
        ends = mine[["positive_share_low", "positive_share_high"]]
        axis.bar(
            middle,
            100 * mine["positive_share"],
            width,
            color=palette["influence"],
            alpha=0.5,
            label="influence",
            yerr=100 * np.abs(ends.to_numpy().T - mine["positive_share"].to_numpy()),
            error_kw={"elinewidth": 0.7, "ecolor": palette["influence"]},
        )
        axis.set_ylabel("% of the positive\ninfluence")
        # Of no positive influence, or of one sample an interval, nothing is known.
        highest = mine[["positive_share", *ends]].max(axis=None)
        if highest > 0:
            axis.set_ylim(0, 125 * highest)
        right = axis.twinx()
        right.spines["right"].set_visible(True)
        right.plot(mine["stop"], mine["score"], "o-", color=palette["base"], markersize=3, label="metric")
        right.set_ylabel("the unit's metric")
        axis.set_title(target)
    axes[-1, 0].set_xlabel("training step of the base run")
    return figure


def _coupling(table: pd.DataFrame, palette: Palette) -> Figure:
    del palette
    targets = list(dict.fromkeys(table["target"]))
    columns = {
        "r": "the ICL score",
        "held_out_r": "the held-out loss",
        "partial_r": "the ICL score,\ngiven the held-out loss",
    }
    figure, axes = _grid(len(targets), len(columns), 0.6 + 0.2 * len(table) / len(targets), sharey="row")
    for row, target in zip(axes, targets, strict=True):
        mine = table[table["target"] == target]
        names = [
            f"{INTERVENTION_NAMES.get(of, of)} ({runs} runs)"
            for of, runs in zip(mine["runs_of"], mine["runs"], strict=True)
        ]
        for axis, column in zip(row, columns, strict=True):
            forest(axis, mine, column, names, [COMMON] * len(mine))
            axis.set_xlim(-1.05, 1.05)
        row[0].set_title(target, loc="left")
    for axis, words in zip(axes[-1], columns.values(), strict=True):
        axis.set_xlabel(f"correlation with\n{words}")
    return figure


def _enrichment(table: pd.DataFrame, palette: Palette) -> Figure:
    targets = list(dict.fromkeys(table["target"]))
    table = table.assign(share_of=100 * table["ratio"])
    figure, axes = _grid(len(targets), 2, 2.4)
    colors = {"proponents": palette["influence"], "opponents": palette["random"]}
    for row, target in zip(axes, targets, strict=True):
        for axis, kind, value, zero in zip(
            row, ("label", "feature"), ("ratio", "auroc"), (1.0, 0.5), strict=True
        ):
            mine = table[(table["target"] == target) & (table["kind"] == kind)]
            mine = mine.sort_values(["name", "side"], ascending=[True, False])
            names = [
                shown(name) if side == "proponents" else ""
                for name, side in zip(mine["name"], mine["side"], strict=True)
            ]
            forest(axis, mine, value, names, [colors[side] for side in mine["side"]], zero=zero)
        row[0].set_title(f"{target}: share of the label over its rate")
        row[1].set_title("has more than a random sample (AUROC)")
    marks = [plt.Line2D([], [], marker="o", color=color, markersize=3.5) for color in colors.values()]
    figure.legend(marks, ["proponents (top)", "opponents (bottom)"], loc="outside lower center", ncols=2)
    return figure


def _augmentation(table: pd.DataFrame, palette: Palette) -> Figure:
    table = table[table["intervention"] != "base"]
    outcomes = ("formation_step", "score_area")
    groups = list(dict.fromkeys(zip(table["experiment"], table["target"], strict=True)))
    if not groups:
        return _nothing()
    rows = len(table[table["outcome"] == outcomes[0]]) / max(len(groups), 1)
    figure, axes = _grid(len(groups), 2, 0.6 + 0.2 * rows, sharey="row")
    for row, (experiment, target) in zip(axes, groups, strict=True):
        for axis, outcome in zip(row, outcomes, strict=True):
            mine = table[
                (table["experiment"] == experiment)
                & (table["target"] == target)
                & (table["outcome"] == outcome)
            ]
            words = {"augment": "new samples", "duplicate": "duplicates"}
            names = [
                f"{words[kind]}, {label_of(selection, target)}"
                for kind, selection in zip(mine["intervention"], mine["selection"], strict=True)
            ]
            forest(axis, mine, "to_base", names, [palette[method_of(name)] for name in mine["selection"]])
            axis.set_title(f"{experiment}, {target}: {OUTCOME_NAMES[outcome]}")
            axis.set_xlabel("difference to base")
    return figure


def _datamodel(table: pd.DataFrame, palette: Palette) -> Figure:
    table = table[table["outcome"] == "score_area"]
    targets = list(dict.fromkeys(table["target"]))
    figure, axes = _grid(1, len(targets), 0.6 + 0.2 * len(table) / len(targets), sharey=True)
    for axis, target in zip(axes[0], targets, strict=True):
        mine = table[table["target"] == target]
        forest(axis, mine, "lds", list(mine["method"]), [palette[name] for name in mine["method"]])
        axis.set_title(f"{target} ({mine['subsets'].iloc[0]} subsets)")
        axis.set_xlabel("LDS: rank correlation of predicted\nand actual mean score")
    return figure


def _recovery(table: pd.DataFrame, palette: Palette) -> Figure:
    values = {
        "auroc": "AUROC among all", "decoys_auroc": "AUROC among decoys", "precision": "share of the top"
    }  # fmt: skip
    values = {value: words for value, words in values.items() if table[value].notna().any()}
    if not values:
        return _nothing()
    corpora = table.drop_duplicates("experiment").sort_values(["repeats", "share"], ascending=False)
    places = {name: place for place, name in enumerate(corpora["experiment"])}
    figure, axes = _grid(1, len(values), 0.7 + 0.3 * len(places), sharey=True)
    for axis, (value, words) in zip(axes[0], values.items(), strict=True):
        for number, (method, mine) in enumerate(table.groupby("method", sort=False)):
            color = palette[str(method)]
            heights = mine["experiment"].map(places) + 0.2 * (number - 1)
            axis.hlines(heights, mine[f"{value}_low"], mine[f"{value}_high"], color=color, linewidth=1.2)
            for formed, fill in ((True, color), (False, "white")):
                part = mine["formed"] == formed
                axis.plot(
                    mine[value][part], heights[part], "o", color=color, markersize=3.5, markerfacecolor=fill,
                    label=str(method) if formed else None,
                )  # fmt: skip
        axis.set_title(words)
        axis.set_xlim(-0.03, 1.03)
        if value == "precision":
            # What the share would be if the top were drawn.
            axis.plot(corpora["share"], range(len(places)), "|", color="0.5", markersize=9)
        else:
            axis.axvline(0.5, color="0.6", linewidth=0.6)
    names = [
        f"{100 * share:g} %, {repeats:.2g} times"
        for share, repeats in zip(corpora["share"], corpora["repeats"], strict=True)
    ]
    axes[0][0].set_yticks(range(len(places)), names)
    axes[0][0].invert_yaxis()
    axes[0][0].set_ylabel("catalysts, and how often\ntheir motif fits")
    shared_legend(figure, axes)
    return figure


def _null(table: pd.DataFrame, palette: Palette) -> Figure:
    del palette
    figure, axes = _grid(1, 1, 0.5 + 0.18 * len(table))
    names = [
        f"{outcome}, {comparison.replace('_', ' ')} ({tests} tests)"
        for outcome, comparison, tests in zip(
            table["outcomes"], table["comparison"], table["tests"], strict=True
        )
    ]
    forest(axes[0][0], table, "rate", names, [COMMON] * len(table), zero=float(table["nominal"].iloc[0]))
    axes[0][0].set_xlabel(
        f"share of tests with p < {table['nominal'].iloc[0]:.2g}; against random nothing should be found"
    )
    axes[0][0].set_xlim(-0.02, 1.02)
    return figure


def _replication(table: pd.DataFrame, palette: Palette) -> Figure:
    targets, tests = list(dict.fromkeys(table["target"])), list(dict.fromkeys(table["test"]))
    figure, axes = _grid(len(targets), len(tests), 0.7 + 0.2 * table["experiment"].nunique(), sharey="row")
    for row, target in zip(axes, targets, strict=True):
        for axis, test in zip(row, tests, strict=True):
            mine = table[(table["target"] == target) & (table["test"] == test)]
            names = [
                f"{name} ({'models' if name == 'all' else 'orders'}: {runs})"
                for name, runs in zip(mine["experiment"], mine["runs"], strict=True)
            ]
            colors = [COMMON if name == "all" else palette["influence"] for name in mine["experiment"]]
            forest(axis, mine, "to_random", names, colors)
            axis.set_title(f"{target}: {test}")
            axis.set_xlabel(f"{OUTCOME_NAMES[mine['outcome'].iloc[0]]},\ndifference to random")
    return figure


def _placebo(table: pd.DataFrame, palette: Palette) -> Figure:
    del palette
    targets, nominal = list(dict.fromkeys(table["target"])), float(table["nominal"].iloc[0])
    figure, axes = _grid(1, len(targets), 0.5 + 0.2 * table["outcome"].nunique(), sharey=True)
    for axis, target in zip(axes[0], targets, strict=True):
        mine = table[table["target"] == target]
        names = [OUTCOME_NAMES[outcome] for outcome in mine["outcome"]]
        forest(axis, mine, "rate", names, [COMMON] * len(mine), zero=nominal)
        axis.set_title(target)
        axis.set_xlabel(f"share of comparisons with p < {nominal:.2g},\nof runs treated at random")
        axis.set_xlim(-0.02, max(0.3, 1.05 * mine["rate_high"].max()))
    return figure


FIGURES: dict[str, Callable[[pd.DataFrame, Palette], Figure]] = {
    "dose": _dose,
    "agreement": _agreement,
    "exact": _exact,
    "controls": _controls,
    "overlap": _overlap,
    "crossed": _crossed,
    "stream": _stream,
    "coupling": _coupling,
    "enrichment": _enrichment,
    "augmentation": _augmentation,
    "datamodel": _datamodel,
    "recovery": _recovery,
    "null": _null,
    "placebo": _placebo,
    "replication": _replication,
}
