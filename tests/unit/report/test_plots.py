"""Figures: what is drawn, read from the figure's own objects."""

import numpy as np
import pandas as pd

from mda.report import plots, study_plots

PALETTE = {
    "base": "#333333", "influence": "#c1272d", "random": "#0077bb", "loss": "#ee9933",
    "repetition": "#229966",
}  # fmt: skip


def curve(steps, shift=0.0):
    steps = np.array(steps)
    columns = {"score": steps / 10 + shift, "held_out_loss": 5 - steps / 10, "icl_score": -steps / 20}
    return pd.DataFrame({"step": steps, **columns})


def test_published_checkpoints_are_marks_on_every_panel_of_the_base_run():
    figure = plots.base_run(curve(range(9)), curve([4, 6], 0.5), "prefix_matching", (2, 8), PALETTE)
    for axis, column in zip(figure.axes, ("score", "held_out_loss", "icl_score"), strict=True):
        run, marks = axis.lines
        assert len(run.get_xdata()) == 9
        assert marks.get_marker() == "D"
        assert list(marks.get_xdata()) == [4, 6]
        np.testing.assert_allclose(marks.get_ydata(), curve([4, 6], 0.5)[column])


def test_without_published_checkpoints_there_are_no_marks():
    figure = plots.base_run(curve(range(9)), pd.DataFrame(), "prefix_matching", (2, 8), PALETTE)
    assert [len(axis.lines) for axis in figure.axes] == [1, 1, 1]


def test_head_maps_show_every_checkpoint_whatever_the_size():
    for layers, heads in ((2, 2), (12, 12)):
        rows = [(s, la, h, 0.1, 0.2, -3.0) for s in range(9) for la in range(layers) for h in range(heads)]
        names = ["step", "layer", "head", "prefix_matching", "previous_token", "copying"]
        figure = plots.head_maps(pd.DataFrame(rows, columns=names))
        titles = [axis.get_title() for part in figure.subfigs for axis in part.axes if axis.images]
        assert sorted(titles) == sorted(3 * [f"step {step}" for step in range(9)])


def intervals(name, value):
    return {name: value, f"{name}_low": value - 0.1, f"{name}_high": value + 0.1}


def test_the_curves_of_every_kind_are_in_the_legend():
    """The kind that is drawn first has fewer selections."""
    kinds = {"duplicate": ["influence-unit", "random"], "replace": ["influence-unit", "random", "loss"]}
    lines = [
        {"target": "unit", "outcome": "formation_step", "intervention": kind, "selection": selection,
         "fraction": fraction, **intervals("to_base", fraction)}
        for kind, selections in kinds.items() for selection in selections for fraction in (0.1, 0.2)
    ]  # fmt: skip
    figure = study_plots.draw("dose", pd.DataFrame(lines), PALETTE)
    [legend] = figure.legends
    assert {text.get_text() for text in legend.get_texts()} == {"influence", "random", "loss"}


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
    figure = study_plots.draw("recovery", table, PALETTE)
    assert [axis.get_title() for axis in figure.axes] == ["AUROC among all", "share of the top"]
    named = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert named == ["50 %, 5 times", "10 %, 5 times", "50 %, 2 times"]
    hollow = [line for line in figure.axes[0].lines if line.get_markerfacecolor() == "white"]
    assert [list(np.round(line.get_ydata())) for line in hollow] == [[1], [1], [1]]
    for end in ("", "_low", "_high"):
        table[f"decoys_auroc{end}"] = 0.6
    assert len(study_plots.draw("recovery", table, PALETTE).axes) == 3
