"""Figures: functions from tables to matplotlib figures, readable at paper size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mda.planning.cell import BASE
from mda.runtime import files

# Width of a text column of a paper, in inches.
WIDTH = 6.75
STYLE = {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 8,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "figure.constrained_layout.use": True,
    "pdf.fonttype": 42,
    # Users' words may have dollars.
    "text.parse_math": False,
    "text.usetex": False,
}
METRIC_NAMES = {
    "prefix_matching": "prefix-matching score",
    "previous_token": "previous-token score",
    "copying": "copying log-probability (nats)",
    "activation": "activation on repeated tokens",
}
OUTCOME_NAMES = {
    "formation_step": "formation step",
    "score_area": "mean score",
    "icl_area": "mean ICL score",
    "held_out_area": "mean held-out loss",
}
INTERVENTION_NAMES = {
    "replace": "remove (replaced)",
    "mask": "remove (masked)",
    "duplicate": "duplicate",
    "augment": "augment",
}
# Not in the user's own style.
matplotlib.rcdefaults()
plt.rcParams.update(STYLE)
# Letters of a user's label, more of which would leave no room for the figure.
LABEL_LETTERS = 40


def shown(label: object) -> str:
    """A user's label as a figure shows it: on one line, not too long, without control characters."""
    words = " ".join(str(label).split())
    words = words if len(words) <= LABEL_LETTERS else words[: LABEL_LETTERS - 1] + "…"
    return "".join(letter if letter.isprintable() else "·" for letter in words)


def save(figure: Figure, paths: Sequence[Path], dpi: int) -> None:
    """Write a figure to each path, in the format of its suffix, with what made it."""
    for path in paths:
        kind = path.suffix.removeprefix(".")
        # No date, so that equal figures are equal files.
        metadata = {"Keywords": files.made_by(), "CreationDate": None} if kind == "pdf" else {}
        if kind == "png":
            metadata = {"Description": files.made_by(), "Software": "mda"}
        with files.whole(path) as part:
            figure.savefig(part, format=kind, dpi=dpi, metadata=metadata)
    plt.close(figure)


def method_of(selection: str) -> str:
    """'influence-induction-1' is 'influence'; the others are their own method."""
    return selection.split("-")[0]


def label_of(selection: str, target: str) -> str:
    """How a selection is named in the legend of a target's figure."""
    if selection == "none":
        return "base"
    return (
        "influence"
        if selection == f"influence-{target}"
        else selection.replace("influence-", "influence on ")
    )


def foreign(selection: str, target: str) -> bool:
    """Whether a selection is by influence on another target, which is drawn dotted or hollow."""
    return method_of(selection) == "influence" and selection != f"influence-{target}"


def shared_legend(figure: Figure, axes: np.ndarray) -> None:
    """One legend below, of what any of the axes shows."""
    handles: dict[str, Artist] = {}
    for axis in axes.flat:
        handles |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=6)


def emergence(
    curves: pd.DataFrame, target: str, metric: str, threshold: float, palette: dict[str, str]
) -> Figure:
    """The target's metric over the window: a panel an intervention, a line a selection.

    Lines are means over seeds, bands their range. Rows of panels are fractions.
    """
    mine = curves[curves["target"] == target]
    kinds = [kind for kind in INTERVENTION_NAMES if kind in set(mine["intervention"])]
    fractions = sorted(set(mine["fraction"]) - {0.0})
    figure, axes = plt.subplots(
        len(fractions), len(kinds), figsize=(WIDTH, 0.5 + 1.8 * len(fractions)),
        sharex=True, sharey=True, squeeze=False,
    )  # fmt: skip
    base = mine[mine["intervention"] == BASE]
    for row, fraction in zip(axes, fractions, strict=True):
        for axis, kind in zip(row, kinds, strict=True):
            cell = mine[(mine["intervention"] == kind) & (mine["fraction"] == fraction)]
            _band(axis, base, palette["base"], "base", "--")
            for selection in sorted(set(cell["selection"]), key=_order):
                color = palette[method_of(selection)]
                style = ":" if foreign(selection, target) else "-"
                _band(axis, cell[cell["selection"] == selection], color, label_of(selection, target), style)
            axis.axhline(threshold, color="0.7", linewidth=0.6, linestyle=":")
            axis.set_title(f"{INTERVENTION_NAMES[kind]}, {100 * fraction:g} %")
        row[0].set_ylabel(METRIC_NAMES[metric])
    for axis in axes[-1]:
        axis.set_xlabel("step")
    shared_legend(figure, axes)
    return figure


def _order(selection: str) -> tuple[int, str]:
    known = ("influence", "repetition", "loss", "random")
    method = method_of(selection)
    return (known.index(method) if method in known else len(known), selection)


def _band(axis: Axes, runs: pd.DataFrame, color: str, label: str, style: str) -> None:
    wide = runs.pivot(index="step", columns="seed", values="score")
    axis.plot(wide.index, wide.mean(axis=1), color=color, linestyle=style, linewidth=1.2, label=label)
    axis.fill_between(wide.index, wide.min(axis=1), wide.max(axis=1), color=color, alpha=0.15, linewidth=0)


def base_run(
    run: pd.DataFrame, published: pd.DataFrame, metric: str, window: tuple[int, int], palette: dict[str, str]
) -> Figure:
    """The target's metric, the held-out loss and the ICL score over the base run, window shaded.

    Args:
        run, published: columns step, score, held_out_loss, icl_score: of the base run, and of
            published checkpoints, drawn as marks; the latter may be empty.
    """
    names = {
        "score": METRIC_NAMES[metric],
        "held_out_loss": "held-out loss (nats)",
        "icl_score": "ICL score (nats)",
    }
    figure, axes = plt.subplots(1, len(names), figsize=(WIDTH, 2.2))
    for axis, (column, name) in zip(axes, names.items(), strict=True):
        axis.axvspan(*window, color="0.93", linewidth=0)
        axis.plot(run["step"], run[column], color=palette["base"], linewidth=1.2, label="base run")
        if len(published):
            axis.plot(
                published["step"], published[column], "D", color=palette["influence"],
                markersize=4, markerfacecolor="white", label="published checkpoint",
            )  # fmt: skip
        axis.set_xlabel("step")
        axis.set_title(name)
        axis.locator_params(axis="x", nbins=5)
    if len(published):
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def effects(table: pd.DataFrame, target: str, outcomes: Sequence[str], palette: dict[str, str]) -> Figure:
    """Difference to the base with its interval: a panel an outcome, a line a cell."""
    mine = table[(table["target"] == target) & (table["intervention"] != BASE)]
    cells = mine[["intervention", "selection", "fraction"]].drop_duplicates()
    kinds = list(INTERVENTION_NAMES)
    cells = sorted(
        cells.itertuples(index=False), key=lambda cell: (kinds.index(cell[0]), cell[2], _order(cell[1]))
    )
    figure, axes = plt.subplots(
        1, len(outcomes), figsize=(WIDTH, 0.8 + 0.19 * len(cells)), sharey=True, squeeze=False
    )
    for axis, outcome in zip(axes[0], outcomes, strict=True):
        lines = mine[mine["outcome"] == outcome].set_index(["intervention", "selection", "fraction"])
        for height, cell in enumerate(reversed(cells)):
            line = lines.loc[tuple(cell)]
            color = palette[method_of(cell[1])]
            axis.plot(
                [line["to_base_low"], line["to_base_high"]],
                [height, height],
                color=color,
                linewidth=1.5,
            )
            face = "white" if foreign(cell[1], target) else color
            axis.plot(line["to_base"], height, "o", color=color, markerfacecolor=face, markersize=3.5)
        axis.axvline(0, color="0.6", linewidth=0.6)
        axis.locator_params(axis="x", nbins=3)
        better = lines["better"].iloc[0]
        axis.set_title(f"{OUTCOME_NAMES[outcome]}\n(stronger is {better})")
        axis.set_xlabel("difference to base")
    names = [
        f"{INTERVENTION_NAMES[kind]}, {label_of(selection, target)}, {100 * fraction:g} %"
        for kind, selection, fraction in reversed(cells)
    ]
    axes[0][0].set_yticks(range(len(cells)), names)
    return figure


def influence_distribution(scores: pd.DataFrame, notes: Sequence[str] = ()) -> Figure:
    """Histogram of a target's influence by label, and the share of the positive sum it adds up to.

    Args:
        notes: sentences on the scores, which stand above; see `mda.evidence.score_notes`.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 2.4 + 0.15 * len(notes)))
    if notes:
        figure.suptitle("\n".join(notes), fontsize=6)
    low, high = np.quantile(scores["influence"], [0.001, 0.999])
    if low == high:
        # A bar that can be seen.
        low, high = low - 0.01 * max(abs(low), 1e-3), high + 0.01 * max(abs(high), 1e-3)
    edges = np.linspace(low, high, 60)
    counts = scores["label"].value_counts()
    # Filled histograms hide each other when there are many.
    kind = {"alpha": 0.6} if len(counts) <= 3 else {"histtype": "step", "linewidth": 1.2}
    bars = []
    for label in counts.index:
        part = scores.loc[scores["label"] == label, "influence"]
        bars.append(left.hist(part.clip(low, high), edges, **kind)[2][0])
    left.axvline(0, color="0.5", linewidth=0.6)
    left.locator_params(axis="x", nbins=5)
    left.set_xlabel("influence (clipped at the 0.1 % tails)")
    left.set_ylabel("samples")
    # By name, or labels that begin with an underscore are left out.
    left.legend(bars, [shown(label) for label in counts.index], title="label")
    ranked = np.sort(scores["influence"].to_numpy())[::-1]
    positive = np.clip(ranked, 0, None)
    share = np.cumsum(positive, dtype=float) / max(positive.sum(), np.finfo(float).tiny)
    rank = np.arange(1, len(ranked) + 1) / len(ranked)
    right.plot(100 * rank, share, color="black", linewidth=1.2)
    tenth = share[max(0, round(0.1 * len(ranked)) - 1)]
    right.plot([10, 10, 0], [0, tenth, tenth], color="0.5", linestyle=":", linewidth=0.8)
    told = f"top 10 %: {100 * tenth:.0f} %" if ranked[0] > 0 else "none is positive"
    right.annotate(told, (10, tenth), xytext=(14, max(0.02, tenth - 0.06)))
    right.set_xlabel("samples, by influence (%)")
    right.set_ylabel("share of the positive influence")
    right.set_ylim(0, 1.02)
    return figure


def label_shares(shares: pd.DataFrame, target: str) -> Figure:
    """Share of each source label among the selected samples, against its base rate.

    Args:
        shares: columns label, selection ('all' is the window), share.
    """
    wide = shares.pivot(index="label", columns="selection", values="share").fillna(0.0)
    wide = wide.sort_values("all", ascending=True)
    selections = ["all", *sorted(set(wide.columns) - {"all"}, key=_order)]
    figure, axes = plt.subplots(
        1,
        len(selections),
        figsize=(WIDTH, 0.9 + 0.22 * len(wide)),
        sharey=True,
        sharex=True,
        squeeze=False,
    )
    for axis, selection in zip(axes[0], selections, strict=True):
        axis.barh(range(len(wide)), 100 * wide[selection], color="0.35", height=0.7)
        for height, (share, rate) in enumerate(zip(wide[selection], wide["all"], strict=True)):
            # Beyond the mark as well as the bar.
            axis.text(100 * max(share, rate) + 4, height, f"{100 * share:.0f}", va="center", fontsize=7)
        axis.plot(100 * wide["all"], range(len(wide)), "|", color="#c1272d", markersize=10)
        axis.set_title("all of the window" if selection == "all" else label_of(selection, target))
        axis.set_xlim(0, 122)
        axis.set_xlabel("% of samples")
    axes[0][0].set_yticks(range(len(wide)), [shown(label) for label in wide.index])
    return figure


def head_maps(scores: pd.DataFrame) -> Figure:
    """Every metric of every head (rows layers, columns heads) at every checkpoint."""
    metrics = [metric for metric in METRIC_NAMES if metric in scores.columns]
    steps = sorted(set(scores["step"]))
    layers, heads = scores["layer"].max() + 1, scores["head"].max() + 1
    # Small models have a number in every cell, and so all checkpoints side by side. Inches.
    numbers = layers * heads <= 64
    columns = len(steps) if numbers else min(len(steps), max(1, int(0.78 * WIDTH / (0.075 * heads + 0.1))))
    cell = 0.78 * WIDTH / columns / heads
    panel = max(1.0, (0.32 if numbers else 0.085) * layers)
    lines = -(-len(steps) // columns)
    figure = plt.figure(figsize=(WIDTH, len(metrics) * lines * (panel + 0.45) + 0.2 * len(metrics)))
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
            axis.set_title(f"step {step}")
        part.supylabel("layer", fontsize=8)
        part.suptitle(METRIC_NAMES[metric], fontsize=8, fontweight="bold")
        part.supxlabel("head", fontsize=8)
        part.colorbar(image, ax=axes, shrink=0.9)
    return figure


def _write_values(axis: Axes, values: np.ndarray, middle: float, rotation: int) -> None:
    for (layer, head), value in np.ndenumerate(values):
        color = "white" if value < middle else "black"
        axis.text(
            head, layer, f"{value:.2f}", ha="center", va="center", fontsize=6, color=color, rotation=rotation
        )


def icl(curves: pd.DataFrame, target: str, metric: str, palette: dict[str, str]) -> Figure:
    """ICL score against the target's metric: along every run, and at the mean over its window."""
    mine = curves[curves["target"] == target]
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 2.6))
    for (_, selection, _, _), run in mine.groupby(["intervention", "selection", "fraction", "seed"]):
        color = palette["base" if selection == "none" else method_of(selection)]
        left.plot(run["score"], run["icl_score"], color=color, alpha=0.35, linewidth=0.7)
    means = mine.groupby(["intervention", "selection", "fraction", "seed"])[["score", "icl_score"]].mean()
    for selection, part in means.groupby("selection"):
        color = palette["base" if selection == "none" else method_of(selection)]
        face = "white" if foreign(selection, target) else color
        right.plot(
            part["score"],
            part["icl_score"],
            "o",
            color=color,
            markerfacecolor=face,
            markersize=3.5,
            label=label_of(selection, target),
        )
    told = ""
    # Runs that all came out the same have no correlation.
    if len(means) > 2 and (means.max() > means.min()).all():
        told = f" (r = {np.corrcoef(means['score'], means['icl_score'])[0, 1]:.2f})"
    right.set_title(f"mean over the window, a point a run{told}")
    left.set_title("along every run")
    for axis in (left, right):
        axis.locator_params(axis="x", nbins=5)
        axis.set_xlabel(METRIC_NAMES[metric])
        axis.set_ylabel("ICL score (nats)")
    handles, names = right.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=6)
    return figure


def top_samples(samples: list[dict], target: str) -> Figure:
    """The top samples as text, tokens of repeated spans shaded.

    Args:
        samples: dictionaries with rank, score, label, tokens (list of texts) and repeated
            (list of bool of the same length).
    """
    # The size of the monospaced letters, the width of one in that size, and the height of a line.
    size, letter, height = 5.6, 0.602, 0.13
    columns = int(WIDTH * 72 / (size * letter)) - 2
    blocks = [_wrap(sample["tokens"], sample["repeated"], columns) for sample in samples]
    lines = sum(len(block) + 1.6 for block in blocks) + 2.5
    figure = plt.figure(figsize=(WIDTH, lines * height), layout="none")
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set_axis_off()
    axis.set_xlim(-1, columns + 1)
    axis.set_ylim(lines, 0)
    title = f"Top samples of {target}; spans that occur more than once are shaded"
    axis.text(0, 1, title, fontsize=8, va="center")
    line = 2.8
    for sample, block in zip(samples, blocks, strict=True):
        head = f"{sample['rank']}.  {shown(sample['label'])}   influence {sample['score']:.4g}"
        axis.text(0, line, head, fontsize=6.5, fontweight="bold", va="center", parse_math=False)
        for words in block:
            line += 1
            for start, text, repeated in words:
                if repeated:
                    axis.add_patch(
                        plt.Rectangle((start, line - 0.5), len(text), 1, color="#ffd37a", linewidth=0)
                    )
                axis.text(start, line, text, fontsize=size, family="monospace", va="center", parse_math=False)
        line += 1.6
    return figure


def _wrap(tokens: list[str], repeated: list[bool], columns: int) -> list[list[tuple[int, str, bool]]]:
    rows: list[list[tuple[int, str, bool]]] = [[]]
    start = 0
    for token, mark in zip(tokens, repeated, strict=True):
        shown = token.replace("\n", "⏎").replace("\t", "→")
        shown = "".join(character if character.isprintable() else "·" for character in shown)[:columns]
        if start + len(shown) > columns:
            rows.append([])
            start = 0
        rows[-1].append((start, shown, mark))
        start += len(shown)
    return rows
