"""What a figure means: its colours, its contrasts, its marks, and what it says to those who do not see it."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import yaml
from held import figure_of
from matplotlib import colors as matplotlib_colors
from matplotlib import text as matplotlib_text
from PIL import Image
from project import ROOT

from mda.evidence import statistics
from mda.figures import base_run, effects, emergence, icl, labels, style
from mda.report import front_page
from mda.studies import figures

PALETTE = yaml.safe_load((ROOT / "config.yaml").read_text())["figures"]["palette"]
# Linear RGB as a deuteranope and a protanope see it (Machado, Oliveira and Fernandes 2009, severity 1).
SEEN = {
    "all colours": np.eye(3),
    "no green": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "no red": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}


def lab(color, seen):
    """CIE L*a*b* of a colour as it is seen."""
    given = np.array(matplotlib_colors.to_rgb(color))
    linear = np.where(given <= 0.04045, given / 12.92, ((given + 0.055) / 1.055) ** 2.4)
    x, y, z = np.array([
        [0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]) @ (SEEN[seen] @ linear).clip(0, 1) / np.array([0.95047, 1.0, 1.08883])  # fmt: skip
    part = [np.cbrt(v) if v > 216 / 24389 else (24389 / 27 * v + 16) / 116 for v in (x, y, z)]
    return np.array([116 * part[1] - 16, 500 * (part[0] - part[1]), 200 * (part[1] - part[2])])


def distance(one, other, seen):
    return float(np.linalg.norm(lab(one, seen) - lab(other, seen)))


@pytest.mark.parametrize("seen", SEEN)
def test_what_strengthens_and_what_weakens_is_a_pair_that_nothing_else_is_drawn_in(seen):
    pair = (style.STRENGTHENS, style.WEAKENS)
    assert distance(*pair, seen) > 40
    for color, other in itertools.product(pair, PALETTE.values()):
        assert color.lower() != other.lower()
    # Those that stand beside each other in most figures.
    together = ("base", "influence", "random", "loss", "repetition", "gradient_norm")
    for one, other in itertools.combinations(together, 2):
        assert distance(PALETTE[one], PALETTE[other], seen) > 12, (one, other)


def test_every_method_has_a_mark_of_its_own():
    assert style.MARKERS.keys() == PALETTE.keys()
    assert len(set(style.MARKERS.values())) == len(style.MARKERS)


def test_labels_are_of_a_family_of_their_own():
    """Greys, as no method but the base, which has no label beside it."""
    for color in style.LABEL_GREYS:
        assert len(set(matplotlib_colors.to_rgb(color))) == 1


def runs(cells, seeds=4):
    """Curves that rise through the threshold, later with the place of their cell."""
    steps = np.arange(60, 250, 10)
    parts = [
        pd.DataFrame(
            {"step": steps, "score": 1 / (1 + np.exp(-(steps - 150 - 10 * place - 3 * seed) / 8)),
             "icl_score": -1.0, "target": "unit", "intervention": kind, "selection": selection,
             "fraction": 0.0 if kind == "base" else 0.1, "seed": seed}
        )
        for place, (kind, selection) in enumerate(cells) for seed in range(seeds)
    ]  # fmt: skip
    return pd.concat(parts)


CELLS = [("base", "none"), ("replace", "influence-unit"), ("replace", "random")]


def test_bands_of_emergence_are_the_intervals_of_the_tables():
    curves = runs(CELLS)
    figure = emergence.draw(curves, "unit", "prefix_matching", 0.3, 0.95, (60, 240, 150), PALETTE)
    [axis] = figure.axes
    low, high = axis.collections[0].get_datalim(axis.transData).get_points()[:, 1]
    base = curves[curves["intervention"] == "base"].pivot(index="step", columns="seed", values="score")
    nothing = np.zeros(4)
    ends = [statistics.paired_difference(row, nothing, 0.95) for row in base.to_numpy()]
    assert low == pytest.approx(min(end.low for end in ends))
    assert high == pytest.approx(max(end.high for end in ends))


def test_emergence_marks_the_window_the_attribution_and_every_formation_step():
    figure = emergence.draw(runs(CELLS), "unit", "prefix_matching", 0.3, 0.95, (60, 240, 150), PALETTE)
    [axis], [legend] = figure.axes, figure.legends
    named = {text.get_text() for text in legend.get_texts()}
    assert {"window that is changed", "influence computed", "base", "influence", "random"} <= named
    assert [line.get_xdata()[0] for line in axis.lines if line.get_label() == "influence computed"] == [150]
    marks = [line for line in axis.lines if len(line.get_xdata()) == 1]
    assert [line.get_ydata()[0] for line in marks] == [0.3] * 3
    curves = runs(CELLS)
    for line, (kind, selection) in zip(marks, CELLS, strict=True):
        cell = curves[(curves["intervention"] == kind) & (curves["selection"] == selection)]
        formed = [
            statistics.formation(run["step"].to_numpy(float), run["score"].to_numpy(), 0.3).step
            for _, run in cell.groupby("seed")
        ]
        assert line.get_xdata()[0] == pytest.approx(np.mean(formed))


def effect(kind, selection, to_base, to_random):
    line = {
        "target": "unit",
        "intervention": kind,
        "selection": selection,
        "fraction": 0.1,
        "better": "lower",
    }
    line |= {"outcome": "formation_step"}
    for name, value in (("to_base", to_base), ("to_random", to_random)):
        line |= {name: value, f"{name}_low": value - 1, f"{name}_high": value + 1}
    return line


def test_effects_are_drawn_against_random_as_they_are_claimed():
    table = pd.DataFrame(
        [effect("replace", "influence-unit", 18.0, 15.0), effect("replace", "random", 3.0, np.nan)]
    )
    figure = effects.draw(table, "unit", ["formation_step"], PALETTE)
    [axis] = figure.axes
    marks = [line for line in axis.lines if line.get_marker() not in ("None", "")]
    assert [line.get_xdata()[0] for line in marks] == [15.0, 3.0]
    names = [label.get_text() for label in axis.get_yticklabels()]
    assert names == [
        "against random samples, 10 %:",
        "remove (replaced), influence",
        "against the base, 10 %:",
        "remove (replaced), random",
    ]
    assert "against random samples, 10 %:; remove (replaced), influence 15 [14, 16]" in style.description(
        figure
    )


def scores(values, labels_of):
    return pd.DataFrame({"influence": values, "label": labels_of})


def test_influence_has_no_pile_at_its_ends_and_a_curve_to_compare_with():
    """Of a heavy tail: what lies beyond the ends is in no bar, and the tail lies above normal."""
    values = np.random.default_rng(0).standard_t(2, 20_000)
    figure = figure_of(scores(values, ["a"] * 20_000))
    left, middle, right = figure.axes
    heights = [patch.get_height() for patch in left.patches]
    assert sum(heights) < 20_000
    assert heights[-1] < 30 and heights[0] < 30
    assert middle.get_xscale() == middle.get_yscale() == "log"
    samples, normal = middle.lines
    assert samples.get_xdata()[0] > 2 * normal.get_xdata()[0]
    share, normal = right.lines[:2]
    assert np.interp(1, share.get_xdata(), share.get_ydata()) > np.interp(
        1, normal.get_xdata(), normal.get_ydata()
    )


def test_the_curve_to_compare_with_is_that_of_normal_scores():
    generator = np.random.default_rng(1)
    values = np.concatenate([generator.normal(-1, 1, 10_000), generator.normal(3, 2, 10_000)])
    figure = figure_of(scores(values, ["a"] * 10_000 + ["b"] * 10_000))
    share, normal = figure.axes[2].lines[:2]
    for percent in (5, 10, 30):
        told = [np.interp(percent, line.get_xdata(), line.get_ydata()) for line in (share, normal)]
        assert told[0] == pytest.approx(told[1], abs=0.01)


def test_enrichment_names_every_row_and_leaves_out_what_is_the_same():
    lines = [
        {"target": "unit", "side": side, "kind": kind, "name": name, "auroc": value, "auroc_low": value,
         "auroc_high": value, "ratio": 1.5, "ratio_low": 1.4, "ratio_high": 1.6}
        for side in ("proponents", "opponents")
        for kind, name, value in (
            ("label", "prose", 0.7), ("label", "tiled", 0.7), ("feature", "repeats", 0.7),
            ("feature", "brackets", 0.5),
        )
    ]  # fmt: skip
    figure = figures.draw("enrichment", pd.DataFrame(lines), PALETTE)
    left, right = figure.axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["tiled", "prose"]
    assert [label.get_text() for label in right.get_yticklabels()] == ["repeats"]
    assert "the same in all samples: brackets" in right.get_xlabel()
    assert "share of the label" in left.get_xlabel()
    # Both sides of a name are in its row, and apart by mark and colour.
    marks = [line for line in left.lines if line.get_marker() in ("^", "v")]
    assert {round(line.get_ydata()[0]) for line in marks} == {0, 1}
    assert {(line.get_marker(), line.get_color()) for line in marks} == {
        ("^", style.STRENGTHENS), ("v", style.WEAKENS),
    }  # fmt: skip


def test_what_is_seen_stands_in_the_file_and_on_the_page(tmp_path):
    shares = pd.DataFrame(
        {
            "label": ["prose", "tiled"] * 2,
            "selection": ["all"] * 2 + ["influence-unit"] * 2,
            "share": [0.5, 0.5, 0.0, 1.0],
        }
    )
    curve = pd.DataFrame({"step": [0, 1], "score": [0.1, 0.9], "held_out_loss": 2.0, "icl_score": -1.0})
    drawn = {
        "tiled 100 % (of all 50 %)": labels.draw(shares, "unit"),
        "from 0.1 to 0.9": base_run.draw(curve, pd.DataFrame(), "prefix_matching", (0, 1), PALETTE),
        "mean formation steps: base 1": emergence.draw(
            runs(CELLS), "unit", "prefix_matching", 0.3, 0.95, (60, 240, 150), PALETTE
        ),
        "runs": icl.draw(runs(CELLS), "unit", "prefix_matching", PALETTE),
        "a: 3 samples, mean 1": figure_of(scores([0.0, 1.0, 2.0], ["a"] * 3)),
    }
    for words, figure in drawn.items():
        style.save(figure, [tmp_path / "figure.png"], 30)
        assert words in front_page.description(tmp_path / "figure.png"), words
    Image.new("RGB", (2, 2)).save(tmp_path / "plain.png")
    assert front_page.description(tmp_path / "plain.png") == ""


def drawn():
    """A figure of each kind, of long names."""
    cells = [("base", "none")] + [
        (kind, selection)
        for kind in ("replace", "mask", "duplicate", "augment")
        for selection in ("influence-unit", "random")
    ]
    table = pd.concat(
        pd.DataFrame([effect(*cell, 18.0, np.nan if cell[1] == "random" else 15.0)]).assign(outcome=outcome)
        for cell in cells[1:]
        for outcome in ("formation_step", "score_area", "icl_area")
    )
    curve = pd.DataFrame({"step": [0, 1], "score": [0.1, 0.9], "held_out_loss": 2.0, "icl_score": -1.0})
    shares = pd.DataFrame(
        [
            {"label": label, "selection": selection, "share": 0.5}
            for label in ("prose", "records of some kind")
            for selection in ("all", "influence-unit", "repetition", "loss", "random")
        ]
    )
    normal = np.random.default_rng(0).normal(0, 1, 500)
    return {
        "emergence": emergence.draw(
            runs(cells), "unit", "prefix_matching", 0.3, 0.95, (60, 240, 150), PALETTE
        ),
        "effects": effects.draw(table, "unit", ["formation_step", "score_area", "icl_area"], PALETTE),
        "influence": figure_of(scores(normal, ["prose", "records of some kind"] * 250)),
        "icl": icl.draw(runs(cells), "unit", "prefix_matching", PALETTE),
        "labels": labels.draw(shares, "unit"),
        "base_run": base_run.draw(curve, pd.DataFrame(), "prefix_matching", (0, 1), PALETTE),
    }


@pytest.mark.usefixtures("_page_again")
def test_a_legend_hides_nothing():
    """Of as many labels as are drawn, some long: it stands below every axis, and inside of the figure."""
    names = [f"label {number} {'of many words ' * number}" for number in range(8)]
    normal = np.random.default_rng(0).normal(0, 1, 800)
    for width in (3.25, None):
        style.use_width(width)
        figure = figure_of(scores(normal, names * 100))
        figure.canvas.draw()
        assert [axis.get_legend() for axis in figure.axes] == [None] * 3
        [legend] = figure.legends
        box = legend.get_window_extent()
        assert box.y1 <= min(axis.get_tightbbox().y0 for axis in figure.axes)
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1
        told = [text.get_text() for text in legend.get_texts()]
        assert len(told) == 8 and told[5].replace("\n", " ").endswith("(and 2 more labels)")


def test_agreement_is_drawn_on_one_scale():
    """Of two targets whose numbers are far apart; 1 is the same order, and 0 is there."""
    line = {"variant": "checkpoint-4", "chance": 0.1, "overlap_low": 0.2, "overlap": 0.3, "overlap_high": 0.4}
    table = pd.DataFrame(
        [
            {**line, "target": target, "spearman_low": value - 0.01, "spearman": value,
             "spearman_high": value + 0.01}
            for target, value in (("a", 0.98), ("b", -0.3))
        ]
    )  # fmt: skip
    limits = {axis.get_xlim() for axis in figures.draw("agreement", table, PALETTE).axes}
    [(low, high)] = limits
    assert low < -0.31 and 1 < high < 1.1
    above = figures.draw("agreement", table[:1], PALETTE).axes
    assert -0.1 < above[0].get_xlim()[0] < 0
    # Near 1 marks cannot be told apart, so their numbers stand beside them.
    assert [[text.get_text() for text in axis.texts] for axis in above] == [["0.980"], ["0.30"]]


@pytest.fixture
def _page_again():
    yield
    style.use_width(None)


@pytest.mark.usefixtures("_page_again")
@pytest.mark.parametrize("width", [3.25, 5.5, None])
def test_figures_of_a_column_have_text_that_can_be_read_and_is_all_there(width):
    style.use_width(width)
    plt.close("all")
    for name, figure in drawn().items():
        assert figure.get_size_inches()[0] == (width or 6.75)
        figure.canvas.draw()
        right, top = figure.canvas.get_width_height()
        for text in figure.findobj(matplotlib_text.Text):
            if not text.get_visible() or not text.get_text().strip() or (text.axes and not text.axes.axison):
                continue
            assert 7 <= text.get_fontsize() <= 8.5, (name, text)
            box = text.get_window_extent()
            inside = box.x0 >= -2 and box.x1 <= right + 2 and box.y0 >= -2 and box.y1 <= top + 2
            # A mark of an axis beyond its end is not drawn.
            assert inside or text in hidden(figure), (name, text, box)


def hidden(figure):
    """The labels of ticks beyond the ends of their axis."""
    found = []
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            found += [
                label
                for tick in axis.get_major_ticks() + axis.get_minor_ticks()
                for label in (tick.label1, tick.label2)
                if not low <= tick.get_loc() <= high or not label.get_visible()
            ]
    return found
