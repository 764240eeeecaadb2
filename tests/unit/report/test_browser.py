"""The samples that are shown, what the page has of them, and that its data stays data."""

import html
import json
import re

import numpy as np
import pyarrow as pa
import pytest
from browser import made_up

from mda.report import browser
from mda.runtime import cli, files, parquet
from mda.steps.attribution import token_influence
from mda.steps.report import sample_browser


def scores(influences):
    count = len(influences)
    numbers = np.arange(count)
    return pa.table(
        {
            "row": numbers[::-1].copy(),
            "step": numbers // 3,
            "label": [f"label{number % 2}" for number in numbers],
            "influence": pa.array(influences, pa.float32()),
            "loss": pa.array(numbers + 0.5, pa.float32()),
        }
    )


@pytest.mark.parametrize("size", [1, 4, 7, 41])
def test_extremes_are_the_highest_and_the_lowest_the_most_extreme_first(size):
    """In whatever parts the scores are read."""
    influences = np.random.default_rng(0).permutation(np.arange(-20.0, 21.0))
    whole = scores(influences)
    parts = (whole.slice(begin, size) for begin in range(0, 41, size))
    found = token_influence.extremes(parts, 3).to_pandas()
    assert found["influence"].tolist() == [20, 19, 18, -20, -19, -18]
    assert found["side"].tolist() == ["top"] * 3 + ["bottom"] * 3
    assert found["rank"].tolist() == [1, 2, 3] * 2
    for _, line in found.iterrows():
        place = influences.tolist().index(line["influence"])
        assert (line["row"], line["step"], line["loss"]) == (40 - place, place // 3, place + 0.5)


def test_no_sample_is_on_both_sides_and_ties_go_by_place():
    found = token_influence.extremes([scores([0.0] * 5)], 100).to_pandas()
    assert found["side"].tolist() == ["top", "top", "bottom", "bottom"]
    # Steps 0, 0, 0, 1, 1, rows 4, 3, 2, 1, 0.
    assert found["row"].tolist() == [2, 3, 1, 0]


def line(pieces, values, repeated, **attention):
    kept = {"target": "t", "side": "top", "rank": 1, "row": 5, "step": 2, "label": "x"}
    lists = {"pieces": pieces, "token_influence": values, "repeated": repeated, "token_loss": values}
    return {**kept, "influence": sum(values), "loss": 1.23456789, **lists, **made_up.NOTHING, **attention}


def test_a_character_of_several_tokens_is_one_piece():
    found = browser.sample(line(["a", "", "", "🙂", "b", "!"], [1.0, 2.0, 3.0, 4.0, 5.0], [1, 1, 1, 1, 0, 0]))
    assert found["pieces"] == ["a", "🙂", "b", "!"]
    # The last token is only predicted.
    assert found["values"] == [1.0, 9.0, 5.0, None]
    # And the first is not: the loss of a character is that of all its tokens.
    assert found["losses"] == [None, 6.0, 4.0, 5.0]
    assert found["tokens"] == {"1": 3}
    assert found["loss"] == 1.235
    assert found["spans"] == [(0, 2, 1)]
    assert (found["attended"], found["received"]) == ([], [])


def test_attention_goes_from_the_last_token_of_a_piece_to_pieces():
    pieces = ["a", "", "b", "c", "!"]
    attended = [0, -1, -1, 1, 0, -1, 2, 1, 0, 0, 3, 2]
    shares = [1.0, 0.0, 0.0, 0.9, 0.1, 0.0, 0.5, 0.2, 0.3, 0.6, 0.395, 0.005]
    given = {"attended": attended, "attention": shares, "received": [0.5, 0.25, 0.125, 0.395]}
    found = browser.sample(line(pieces, [1.0, 2.0, 3.0, 4.0], [0] * 5, **given))
    # "b" is tokens 1 and 2: from token 2 it attends to itself, 0.7 in two parts, and to "a".
    assert found["attended"] == [[0, 100], [1, 70, 0, 30], [0, 60, 2, 40]]
    assert found["received"] == [50, 37.5, 39.5]


def test_a_text_that_shows_nothing_has_one_empty_piece():
    found = browser.sample(line(["", ""], [1.0], [0, 0]))
    assert (found["pieces"], found["values"], found["losses"]) == ([""], [1.0], [1.0])


def test_occurrences_side_by_side_are_apart():
    run = list("abcabcab")
    assert browser.occurrences(run, [1] * 8) == [(0, 3, 1), (3, 6, 1), (6, 8, 1)]
    assert browser.occurrences([*"abc", "x", *"abc", "y"], [1, 1, 1, 0, 1, 1, 1, 2]) == [
        (0, 3, 1),
        (4, 7, 1),
        (7, 8, 2),
    ]
    # Its beginning and its end are equal, but it is one.
    assert browser.occurrences(list("abcdab"), [1] * 6) == [(0, 6, 1)]
    assert browser.occurrences([], []) == []


def written(tmp_path, made, rows=None, documents=None):
    parquet.write_table(
        tmp_path / "tokens.parquet", pa.Table.from_pylist(made, schema=token_influence.SCHEMA)
    )
    units = {name: {"units": members} for name, members in made_up.UNITS.items()}
    files.write_json(tmp_path / "targets.json", {"targets": units})
    every = pa.table({"row": np.arange(2 * 500)})
    parquet.write_table(tmp_path / "scores.parquet", every)
    given = {
        "tokens": "tokens.parquet",
        "scores": "scores.parquet",
        "targets": "targets.json",
        "out": "index.html",
    }
    arguments = [part for key, name in given.items() for part in (f"--{key}", str(tmp_path / name))]
    arguments += ["--packed", "true"]
    for name, table in (("--train-rows", rows), ("--documents", documents)):
        arguments.append(name)
        if table is not None:
            parquet.write_table(tmp_path / f"{name[2:]}.parquet", table)
            arguments.append(str(tmp_path / f"{name[2:]}.parquet"))
    arguments += ["--templates", str(made_up.TEMPLATE), "--experiment", "null", "--checkpoint", "step 120"]
    arguments += ["--window", '{"start": 60, "stop": 240, "branch": null}', "--all-samples", "true"]
    cli.run(sample_browser.write, [*arguments, "--trained", "true", "--strategy", "ekfac"])
    return (tmp_path / "index.html").read_text(encoding="utf-8")


def test_the_page_has_its_data_and_says_what_made_it(tmp_path):
    made = made_up.lines(len(made_up.HOSTILE))
    page = written(tmp_path, made)
    [data] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    # Nothing that ends a script, begins a comment or ends a line of JavaScript.
    assert data.isascii()
    assert not set("<>&'") & set(data)
    told = json.loads(data)
    assert told["units"] == made_up.UNITS
    assert len(told["samples"]) == len(made) == 4 * len(made_up.HOSTILE)
    for sample, before in zip(told["samples"], made, strict=True):
        assert sample["pieces"] == before["pieces"]
        assert sample["values"][:-1] == pytest.approx(before["token_influence"], rel=1e-3)
    record = json.loads(files.made_by_of(tmp_path / "index.html"))
    assert record["step"] == "report.sample_browser"
    assert set(record["inputs"]) == {"tokens", "targets", "templates", "scores"}
    assert (told["scored"], told["window"]) == (500, [60, 240])
    assert html.escape("scores/scores.parquet") in page
    assert "the default experiment" in page


def test_a_packed_row_names_its_first_document_and_counts_the_others(tmp_path):
    made = [{**one, "row": place} for place, one in enumerate(made_up.lines(1))]
    names = ["lib/a.py", "</script><b>.py", None, "lib/d.py"]
    rows = {"documents": [[1], [3, 0], [0, 1, 2], [2, 3]]}
    documents = {"document": [0, 1, 2, 3], "origin": names, "label": ["x"] * 4, "text": [""] * 4}
    page = written(tmp_path, made, rows, documents)
    [data] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert [sample["source"] for sample in json.loads(data)["samples"]] == [
        [["document", "</script><b>.py"]],
        [["document", "lib/d.py and 1 more"]],
        [["document", "lib/a.py and 2 more"]],
        [],
    ]
    assert "<b>.py" not in page


def test_the_page_needs_no_other_file(tmp_path):
    page = written(tmp_path, made_up.lines(1))
    without = re.sub(r'<script type="application/json".*?</script>', "", page, flags=re.DOTALL)
    assert not re.findall(r"https?:|@import|\bfetch\b|XMLHttp|src=|url\(|innerHTML|document\.write", without)


def test_the_page_takes_text_for_text(tmp_path):
    """Names of the experiment and the units too."""
    facts = {**made_up.FACTS, "experiment": '"><script>alert(1)</script>'}
    page = browser.page(made_up.TEMPLATE, [], facts)
    assert "<script>alert" not in page


def test_the_steps_of_the_page_do_without_torch():
    import subprocess
    import sys

    from project import ROOT

    code = "import sys; import mda.steps.report.sample_browser; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "workflow", capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
