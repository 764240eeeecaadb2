"""Users' words pass interpreters as they are: mathtext, legends, tables, terminals, file names."""

import logging
import os
import subprocess
import sys

import matplotlib
import numpy as np
import pandas as pd
import pytest
import yaml
from held import figure_of
from project import ROOT

from mda.commands import summary
from mda.config.corpus_sections import Corpus
from mda.corpus import sources
from mda.evidence import csv_tables
from mda.figures import labels as labels_figure
from mda.figures import style, top_samples
from mda.runtime import cli, errors, files
from mda.runtime.errors import UserError
from mda.studies import figures

# Mathtext, a legend's underscore, markup, a formula, format strings, a terminal, lines, not ASCII.
HOSTILE = "_=1+$\\frac{x$ {x} %s <b>&amp; `id` \x1b[31mrot\r\nTürkçe 中文 \u202e"
SHOWN = "_=1+$\\frac{x$ {x} %s <b>&amp; `id` ·[31…"
# What pandas takes for nothing, or for a number.
NOTHING = ["NA", "null", "nan", "None", "01", "1e5", "True", "-", ""]


def scores(labels):
    influence = np.arange(len(labels), dtype=np.float32)
    return pd.DataFrame({"influence": influence, "label": labels})


def test_a_label_is_shown_on_one_line_and_not_too_long():
    assert style.shown(HOSTILE) == SHOWN
    assert len(SHOWN) == style.LABEL_LETTERS


def words_of(figure):
    return {text.get_text() for text in figure.findobj(matplotlib.text.Text)}


def enrichment(labels):
    lines = [
        {"target": "unit", "side": side, "kind": kind, "name": label, "share": 0.5, "rate": 0.5, "q": 1.0}
        | {f"{value}{end}": 1.0 for value in ("ratio", "auroc") for end in ("", "_low", "_high")}
        for label in labels for side in ("proponents", "opponents") for kind in ("label", "feature")
    ]  # fmt: skip
    return pd.DataFrame(lines)


PALETTE = {"influence": "#111111", "random": "#222222"}
SAMPLE = {
    "rank": 1,
    "row": 5,
    "score": 1.0,
    "label": HOSTILE,
    "tokens": [HOSTILE, "$"],
    "repeated": [True, False],
}
SHARES = pd.DataFrame({"label": [HOSTILE] * 2, "selection": ["all", "random"], "share": [1.0, 1.0]})


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize(
    "draw",
    [
        lambda: figure_of(scores([HOSTILE, "b", "$x$"])),
        lambda: labels_figure.draw(SHARES, "unit"),
        lambda: top_samples.draw([SAMPLE], "unit", "all rows"),
        lambda: figures.draw("enrichment", enrichment([HOSTILE]), PALETTE),
    ],
)
def test_every_figure_with_users_words_shows_them_as_they_are(tmp_path, draw):
    figure = draw()
    assert any(SHOWN in words for words in words_of(figure))
    style.save(figure, [tmp_path / "figure.png", tmp_path / "figure.pdf"], 30)


def test_a_label_that_begins_with_an_underscore_is_in_the_legend():
    figure = figure_of(scores(["_hidden", "b", "_hidden"]))
    [legend] = figure.legends
    assert {"_hidden", "b"} <= {text.get_text() for text in legend.get_texts()}


def test_figures_do_not_depend_on_the_users_style(tmp_path):
    """A matplotlibrc in the working folder, or in the home."""
    (tmp_path / "matplotlibrc").write_text("axes.facecolor: red\ntext.usetex: True\nfont.size: 30\n")
    code = (
        "from mda.figures import style; r = style.plt.rcParams;"
        "print(r['axes.facecolor'], r['text.usetex'], r['font.size'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow"), "MPLBACKEND": "Agg"},
    )  # fmt: skip
    assert done.stdout.split() == ["white", "False", "8.0"]


@pytest.mark.parametrize("labels", [NOTHING, ["1", "2"], [HOSTILE, "a,b", 'a "b"', "=cmd()"]])
def test_labels_and_names_come_back_from_tables_as_they_went(tmp_path, labels):
    """Also where all of them look like numbers, or like nothing."""
    table = pd.DataFrame({"name": labels, "target": labels, "share": 0.5, "rate": np.nan, "formed": True})
    table.to_csv(tmp_path / "table.csv", index=False)
    found = csv_tables.read(tmp_path / "table.csv")
    # CSV has no carriage return of its own.
    expected = [label.replace("\r\n", "\n") for label in labels]
    assert [name.replace("\r\n", "\n") for name in found["name"]] == expected
    assert [name.replace("\r\n", "\n") for name in found["target"]] == expected
    assert found["rate"].isna().all()
    assert found["share"].tolist() == [0.5] * len(labels)
    assert found["formed"].dtype == bool


def test_a_study_of_labels_that_look_like_nothing_is_drawn(tmp_path):
    enrichment(NOTHING).to_csv(tmp_path / "enrichment.csv", index=False)
    figure = figures.draw("enrichment", csv_tables.read(tmp_path / "enrichment.csv"), PALETTE)
    named = {label.get_text() for label in figure.axes[0].get_yticklabels()}
    assert named == set(NOTHING)


def test_a_terminal_is_told_nothing():
    assert errors.printable("a\tb\nc\x1b[31m\r\x07é") == "a\tb\nc\\x1b[31m\\r\\x07é"


def test_logs_and_errors_of_a_step_are_printable(monkeypatch, capsys):
    def step() -> None:
        raise UserError(f"label {HOSTILE}: is wrong")

    monkeypatch.setattr(cli, "_record", lambda *arguments: {})
    with pytest.raises(SystemExit):
        cli.run(step, [])
    told = capsys.readouterr().err
    assert "\\x1b[31mrot" in told
    assert "\x1b" not in told
    record = logging.LogRecord("mda", logging.INFO, "", 0, "skipped %s", (HOSTILE,), None)
    assert "\x1b" not in cli._Printable("%(message)s").format(record)


def test_a_file_name_that_is_not_utf8_and_one_of_the_shells_words(tmp_path, default):
    names = [b"not-utf8-\xff.txt", b"{x} 'y' \"z\" $HOME *.txt"]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_text("text")
    given = default["corpus"] | {
        "source": "files",
        "files": {
            "root": str(tmp_path), "patterns": [{"label": HOSTILE, "glob": "*.txt"}], "exclude": [],
            "undecodable": "error", "max_characters": 10,
        },
    }  # fmt: skip
    settings = Corpus.model_validate(given)
    found = list(sources.documents(settings))
    origins = ["not-utf8-\\xff.txt", "{x} 'y' \"z\" $HOME *.txt"]
    assert {document.origin for document in found} == set(origins)
    assert {(document.text, document.label) for document in found} == {("text", HOSTILE)}
    before = sources.fingerprint(settings)
    (tmp_path / os.fsdecode(names[0])).rename(tmp_path / os.fsdecode(b"not-utf8-\xfe.txt"))
    assert sources.fingerprint(settings) != before
    # Of a folder, and as the user writes it in YAML.
    assert files.digest(tmp_path)
    assert yaml.safe_load(yaml.safe_dump({"label": HOSTILE})) == {"label": HOSTILE}


def test_the_summary_tells_a_terminal_nothing():
    shares = pd.DataFrame({"selection": ["all"], "label": [HOSTILE], "share": [1.0]})
    told = summary.labels(shares, "all")
    assert told.startswith("100 % _=1+$\\frac{x$ {x} %s <b>&amp; `id` \\x1b[31mrot Türkçe")
    assert "\n" not in told
