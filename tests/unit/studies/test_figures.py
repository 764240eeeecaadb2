"""Figures of studies: what is drawn, read from the figure's own objects."""

import numpy as np
import pandas as pd

from mda.studies import figures

PALETTE = {
    "base": "#333333", "influence": "#c1272d", "random": "#0077bb", "loss": "#ee9933",
    "repetition": "#229966",
}  # fmt: skip


def intervals(name, value):
    return {name: value, f"{name}_low": value - 0.1, f"{name}_high": value + 0.1}


def test_the_curves_of_every_kind_are_in_the_legend():
    """The kind that is drawn first has fewer selections."""
    kinds = {"duplicate": ["influence-unit", "random"], "replace": ["influence-unit", "random", "loss"]}
    lines = [
        {"target": "unit", "outcome": "formation_step", "intervention": kind, "selection": selection,
         "fraction": fraction, **intervals("to_random", fraction)}
        for kind, selections in kinds.items() for selection in selections for fraction in (0.1, 0.2)
    ]  # fmt: skip
    figure = figures.draw("dose", pd.DataFrame(lines), PALETTE)
    [legend] = figure.legends
    assert {text.get_text() for text in legend.get_texts()} == {"influence", "loss"}


def test_every_corpus_of_known_catalysts_has_a_line_of_its_own():
    """Corpora that differ in one of share and repeats; decoys only where there are some."""
    corpora = {"a": (0.5, 5.0, True), "b": (0.1, 5.0, False), "c": (0.5, 2.0, True)}
    lines = [
        {"experiment": name, "share": share, "repeats": repeats, "formed": formed, "method": method,
         **intervals("auroc", 0.7), **intervals("precision", 0.4),
         **{f"decoys_auroc{end}": np.nan for end in ("", "_low", "_high")}}
        for name, (share, repeats, formed) in corpora.items()
        for method in ("influence", "loss", "repetition")
    ]  # fmt: skip
    table = pd.DataFrame(lines)
    figure = figures.draw("recovery", table, PALETTE)
    assert [axis.get_title() for axis in figure.axes] == ["AUROC among all", "share of the top"]
    named = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert named == ["50 %, 5 times", "10 %, 5 times", "50 %, 2 times"]
    hollow = [line for line in figure.axes[0].lines if line.get_markerfacecolor() == "white"]
    assert [list(np.round(line.get_ydata())) for line in hollow] == [[1], [1], [1]]
    for end in ("", "_low", "_high"):
        table[f"decoys_auroc{end}"] = 0.6
    assert len(figures.draw("recovery", table, PALETTE).axes) == 3
