"""What all figures share: size, style, names of things, and how a figure is saved."""

from __future__ import annotations

import textwrap
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
# Width of the text of a page, in inches, which figures have unless `figures.width` says otherwise.
WIDTH = 6.75
# Figures that are narrower stand in a column of a paper, with smaller text and names on several lines.
NARROW = 6.0
STYLE = {
    "figure.figsize": (WIDTH, 4.0),
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
# What strengthens the unit and what weakens it: a pair that nothing else is drawn in, and its map of colours.
# The sample browser has the same. They are apart for the colour-blind too.
STRENGTHENS, WEAKENS = "#e66101", "#5e3c99"
DIVERGING = "PuOr_r"
# A method of selection has the same mark and dash everywhere, for those who cannot tell its colour.
MARKERS = {
    "base": "d", "influence": "o", "random": "s", "loss": "D", "repetition": "^", "matched": "v",
    "bigram": "1", "compressibility": "H", "gradient_norm": "P", "bm25": "X", "identity": "<",
    "diagonal": ">", "kfac": "p", "trajectory": "*", "history": "h", "own": "8",
}  # fmt: skip
DASHES: dict[str, str | tuple[int, tuple[float, ...]]] = {
    "base": (0, (4, 2)), "influence": "-", "random": (0, (1, 1)), "loss": (0, (5, 1, 1, 1)),
    "repetition": (0, (3, 1)),
}  # fmt: skip
# Labels of the corpus are greys, each with a dash and a hatch.
LABEL_GREYS = ("#555555", "#aaaaaa", "#111111", "#888888", "#cccccc", "#333333")
LABEL_DASHES = ("-", "--", "-.", ":")
LABEL_HATCHES = ("", "////", "....", "xxxx")
METRIC_NAMES = {
    "prefix_matching": "prefix-matching score",
    "previous_token": "previous-token score",
    "copying": "copying log-probability (nats)",
    "best_prefix_matching": "best prefix-matching score",
    "best_previous_token": "best previous-token score",
    "activation": "activation on repeated tokens",
    "probe": "value of its probe",
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


def use_width(inches: float | None) -> None:
    """Draw figures of this width from now on; None is that of a page."""
    inches = WIDTH if inches is None else inches
    size = 7 if inches < NARROW else 8
    plt.rcParams.update({"figure.figsize": (inches, 4.0), "font.size": size, "axes.titlesize": size})


def width() -> float:
    """Width of the figures that are drawn, in inches."""
    return float(plt.rcParams["figure.figsize"][0])


def wrapped(name: str) -> str:
    """A name of a row: on several lines where the figure is narrow."""
    if width() >= NARROW:
        return name
    # Not half of the width, in letters of half their size.
    return textwrap.fill(name, max(12, int(0.47 * width() * 72 / 3.7)))


def shown(label: object) -> str:
    """A user's label as a figure shows it: on one line, not too long, without control characters."""
    words = " ".join(str(label).split())
    words = words if len(words) <= LABEL_LETTERS else words[: LABEL_LETTERS - 1] + "…"
    return "".join(letter if letter.isprintable() else "·" for letter in words)


def tell(artist: Artist, words: str) -> None:
    """Say what is seen in a figure, or in one of its axes, for `description`."""
    artist.set_label(words)


def description(figure: Figure) -> str:
    """What is seen in a figure, for those who do not see it: its own words, then those of its panels."""
    told = [str(figure.get_label() or "")]
    for axis in figure.axes:
        label = str(axis.get_label() or "")
        # Matplotlib's own names.
        label = "" if label.startswith("<") else label
        title = " ".join(axis.get_title().split() + axis.get_title(loc="left").split())
        x, y = (" ".join(words.split()) for words in (axis.get_xlabel(), axis.get_ylabel()))
        places = ", ".join(f"{name} axis: {words}" for name, words in (("x", x), ("y", y)) if words)
        if label:
            told.append(f"Panel{f' {title}' if title else ''}{f' ({places})' if places else ''}: {label}")
    words = " ".join(part.rstrip(": ") + "." for part in told if part.strip())
    return words.replace("..", ".")


def save(figure: Figure, paths: Sequence[Path], dpi: int) -> None:
    """Write a figure to each path, in the format of its suffix, with what made it and what is seen in it."""
    told = description(figure)
    for path in paths:
        kind = path.suffix.removeprefix(".")
        # No date, so that equal figures are equal files.
        metadata = {"Keywords": files.made_by(), "CreationDate": None} if kind == "pdf" else {}
        if kind == "png":
            metadata = {"Description": files.made_by(), "Software": "mda", "Alt": told}
        with files.whole(path) as part:
            figure.savefig(part, format=kind, dpi=dpi, metadata=metadata)
    plt.close(figure)


def method_of(selection: str) -> str:
    """'influence-induction-1' is 'influence'; the others are their own method."""
    return selection.split("-")[0]


def mark_of(selection: str) -> str:
    """The mark of a selection's method."""
    return MARKERS.get(method_of(selection), "o")


def dash_of(selection: str, target: str) -> str | tuple[int, tuple[float, ...]]:
    """The dash of a selection's method; of influence on another target, dotted."""
    return ":" if foreign(selection, target) else DASHES.get(method_of(selection), "-")


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
    legend_below(figure, [(handle, name) for name, handle in handles.items()])


def legend_below(figure: Figure, named: Sequence[tuple[Artist, str]]) -> None:
    """A legend below all axes, of pairs of what is drawn and its name; as many side by side as have room."""
    # In points: a letter, by its size, and a mark with the space around it.
    letter, mark, across = 0.58 * float(plt.rcParams["legend.fontsize"]), 40, 72 * width()
    # By name, or names that begin with an underscore are left out.
    handles, names = zip(*named, strict=True)
    lines = [textwrap.fill(name, int((across - mark) / letter)) for name in names]
    longest = max(len(part) for line in lines for part in line.split("\n"))
    columns = min(len(named), max(1, int(across / (letter * longest + mark))))
    figure.legend(handles, lines, loc="outside lower center", ncols=columns)
