"""What all figures share: size, style, names of things, and how a figure is saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from mda.runtime import files

# Method of selection -> its colour, as `figures.palette` of the configuration.
Palette = Mapping[str, str]
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
    "best_prefix_matching": "best prefix-matching score",
    "best_previous_token": "best previous-token score",
    "activation": "activation on repeated tokens",
    "probe": "value of its probe",
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


def order(selection: str) -> tuple[int, str]:
    """The place of a selection among the others, as a key to sort by."""
    known = ("influence", "repetition", "loss", "random")
    method = method_of(selection)
    return (known.index(method) if method in known else len(known), selection)


def shared_legend(figure: Figure, axes: np.ndarray) -> None:
    """One legend below, of what any of the axes shows."""
    handles: dict[str, Artist] = {}
    for axis in axes.flat:
        handles |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=6)
