"""Figures: what is drawn, read from the figure's own objects."""

import numpy as np
import pandas as pd

from mda.figures import base_run, heads

PALETTE = {
    "base": "#333333", "influence": "#c1272d", "random": "#0077bb", "loss": "#ee9933",
    "repetition": "#229966",
}  # fmt: skip


def curve(steps, shift=0.0):
    steps = np.array(steps)
    columns = {"score": steps / 10 + shift, "held_out_loss": 5 - steps / 10, "icl_score": -steps / 20}
    return pd.DataFrame({"step": steps, **columns})


def test_published_checkpoints_are_marks_on_every_panel_of_the_base_run():
    figure = base_run.draw(curve(range(9)), curve([4, 6], 0.5), "prefix_matching", (2, 8), PALETTE)
    for axis, column in zip(figure.axes, ("score", "held_out_loss", "icl_score"), strict=True):
        run, marks = axis.lines
        assert len(run.get_xdata()) == 9
        assert marks.get_marker() == "D"
        assert list(marks.get_xdata()) == [4, 6]
        np.testing.assert_allclose(marks.get_ydata(), curve([4, 6], 0.5)[column])


def test_without_published_checkpoints_there_are_no_marks():
    figure = base_run.draw(curve(range(9)), pd.DataFrame(), "prefix_matching", (2, 8), PALETTE)
    assert [len(axis.lines) for axis in figure.axes] == [1, 1, 1]


def test_head_maps_show_every_checkpoint_whatever_the_size():
    for layers, number in ((2, 2), (12, 12)):
        rows = [(s, la, h, 0.1, 0.2, -3.0) for s in range(9) for la in range(layers) for h in range(number)]
        names = ["step", "layer", "head", "prefix_matching", "previous_token", "copying"]
        called = {step: f"checkpoint {step}" for step in range(9)}
        figure = heads.draw(pd.DataFrame(rows, columns=names), called)
        titles = [axis.get_title() for part in figure.subfigs for axis in part.axes if axis.images]
        assert sorted(titles) == sorted(3 * list(called.values()))
