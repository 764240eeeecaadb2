"""The report of a trace: what was asked and what was found, in words that a trace has."""

import html
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml
from browser import made_up
from project import ROOT
from safetensors.numpy import save_file

from mda.config.unit_sections import Probe
from mda.evidence import score_notes
from mda.report import front_page, trace_page, trace_results
from mda.runtime import files, parquet
from mda.steps.report import trace_report

HOSTILE = "<script>alert(1)</script>"
TEMPLATE = ROOT / "workflow" / "report" / "trace.html.j2"


def documents(number=50):
    """Influence of documents on two targets, in the opposite order."""
    names = np.arange(number)
    lines = []
    for target, order in (("induction-1", names), ("copy", names[::-1])):
        made = {"document": order, "target": target, "label": "x", "origin": "file.jsonl:1"}
        made |= {"id": [f"{HOSTILE} {name}" for name in order], "influence": np.linspace(3, -2, number)}
        lines.append(pd.DataFrame(made | {"rank": names + 1}))
    return pd.concat(lines, ignore_index=True)


def shown(folder):
    """A sample browser with three rows at each end of a target, and what says which documents they are of.

    Document 0 has the first two of the highest, 49 the first two of the lowest; others have none.
    """
    lines = [line for line in made_up.lines(3) if line["target"] == "induction-1"]
    owners = {("top", 1): 0, ("top", 2): 0, ("bottom", 1): 49, ("bottom", 2): 49}
    rows = {line["row"]: owners.get((line["side"], line["rank"]), 20) for line in lines}
    table = {"row": sorted(rows), "documents": [[rows[row]] for row in sorted(rows)]}
    parquet.write_table(folder / "tokens" / "train.rows.parquet", table)
    parquet.write_table(folder / "samples" / "tokens.parquet", pa.Table.from_pylist(lines))
    texts = [f"{HOSTILE} document {number}\n\tgoes {'on and ' * 90}" for number in range(50)]
    parquet.write_table(folder / "corpus" / "documents.parquet", {"document": np.arange(50), "text": texts})
    made_up.write(folder / "samples" / "index.html", lines)
    return {(line["side"], line["rank"]): line["row"] for line in lines}


@pytest.fixture
def results(tmp_path, default):
    """The results that the report reads, but for figures."""
    folder = tmp_path / "results"
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"model_type": "llama"}')
    save_file({"a.weight": np.zeros(1, np.float32)}, tmp_path / "model" / "model.safetensors")
    for name in ("early", "late"):
        (tmp_path / name).symlink_to("model")
    default["trace"] = {
        "checkpoints": {name: {"model": str(tmp_path / name), "step": None} for name in ("early", "late")},
        "at": "late",
    }
    induction = dict(default["targets"][0])
    default["targets"] = [induction, {**induction, "name": "copy", "units": ["L0H1", "copying 1"]}]
    default["tokens"]["pack"] = False
    files.write_text(folder / "config.yaml", yaml.safe_dump(default))
    units = {"induction-1": ["L1H2"], "copy": ["L0H1", "L1H0"]}
    made = {name: {"units": places} for name, places in units.items()}
    files.write_json(folder / "heads" / "targets.json", {"targets": made})
    table = documents()
    parquet.write_table(folder / "scores" / "documents.parquet", table)
    rows = table.rename(columns={"document": "row"}).assign(step=0)
    scores = pa.Table.from_pandas(rows[["target", "step", "row", "label", "influence"]])
    notes = {"copy": ["block v counts 0 in every sample"]}
    parquet.write_table(folder / "scores" / "scores.parquet", score_notes.with_notes(scores, notes))
    line = {"target": "copy", "variant": "checkpoint-0", "chance": 0.1, "overlap": 0.5}
    agreement = pd.DataFrame([{**line, "spearman": 0.25, "spearman_low": 0.2, "spearman_high": 0.3}])
    files.write_text(folder / "evidence" / "agreement.csv", agreement.to_csv(index=False))
    for target in units:
        shares = [("all", "a", 0.25), ("all", HOSTILE, 0.75), (f"influence-{target}", "a", 1.0)]
        made = pd.DataFrame(shares, columns=["selection", "label", "share"])
        files.write_text(folder / "labels" / f"{target}.csv", made.to_csv(index=False))
    shown(folder)
    return folder


def written(results, packed=False, several=True, stored=False):
    page = {
        "path": results / "samples" / "index.html", "rule": "sample_browser", "category": "Samples",
        "labels": {"figure": "sample browser", "target": "all"}, "wildcards": {},
        "caption": ROOT / "workflow" / "report" / "sample_browser.rst",
    }  # fmt: skip
    trace_report.write(
        results / "config.yaml",
        results / "heads" / "targets.json",
        results / "scores" / "scores.parquet",
        [] if packed else [results / "scores" / "documents.parquet"],
        [] if packed else [results / "corpus" / "documents.parquet"],
        results / "samples" / "tokens.parquet",
        results / "tokens" / "train.rows.parquet",
        [results / "evidence" / "agreement.csv"] if several else [],
        [results / "evidence" / "stored_gradients.csv"] if stored else [],
        [results / "labels" / f"{target}.csv" for target in ("induction-1", "copy")],
        [TEMPLATE],
        [front_page.Item.model_validate(page)],
        str(results / "benchmarks"),
        str(results / "logs"),
        results / "report.html",
    )
    return (results / "report.html").read_text()


def words(page):
    """What a reader sees, without the configuration at the end."""
    shown = re.sub("<style>.*?</style>", "", page, flags=re.DOTALL).partition('<section id="configuration">')[
        0
    ]
    return html.unescape(re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", shown)))


def test_it_says_what_was_asked_and_found(results):
    told = words(written(results))
    assert "Influence at late" in told
    assert "Scored 50 documents" in told
    assert "copy L0H1, copying 1: L0H1, L1H0 log-probability of the second showing, on" in told
    assert "of all documents of a corpus" in told
    first, _, second = told.partition("Found: induction-1")[2].partition("Found: copy")
    for place, number, influence, following, part in (
        (1, 0, 3, 2, first), (1, 49, 3, 2, second), (50, 0, -2, 49, second),
    ):  # fmt: skip
        line = f"{place} id {HOSTILE} {number} {HOSTILE} document {number} goes "
        assert re.search(re.escape(line) + f".{{,90}} x {influence} {following} id", part)
    assert "Against influence at checkpoint early: rank correlation 0.25 [0.20, 0.30]" in second
    assert "Note: block v counts 0 in every sample." in second
    assert "Note:" not in first and "checkpoint early" not in first
    assert f"highest influence: 100 % a. Of all rows: 75 % {HOSTILE}, 25 % a." in first


def test_it_begins_with_the_answer_and_says_what_was_not_tested(results):
    told = words(written(results))
    short = told.partition("In short")[2].partition("How sure is this?")[0]
    first, _, second = short.partition(" copy ,")
    assert f"of 50 documents, strengthened most by id {HOSTILE} 0 ( {HOSTILE} … )," in first
    assert f" and id {HOSTILE} 2 (" in first
    assert "head 2 of layer 1 (L1H2)" in first and "head 1 of layer 0" in second
    assert "Of the top 10 % of rows, 100 % are labelled a (of all, 25 %)." in first
    assert "Against early: rank correlation 0.25 [0.20, 0.30]; of the top 10 %, 50 % are the same" in second
    assert "block v counts 0" in second and "Against" not in first
    untested = told.partition(" What was not tested Effect.")[2]
    assert "nothing here says how strong the part would be without" in untested
    assert "Other checkpoints." not in untested
    alone = words(written(results, several=False))
    assert "nothing on this page checks the order" in alone and "Other checkpoints." in alone


def test_it_names_no_document_that_weakens(results):
    path = results / "scores" / "documents.parquet"
    table = documents().assign(influence=lambda all: all["influence"] - 2.99)
    parquet.write_table(path, table)
    first = words(written(results)).partition("In short")[2].partition(" copy ,")[0]
    assert f"strengthened most by id {HOSTILE} 0 (" in first and f"{HOSTILE} 1 " not in first
    parquet.write_table(path, table.assign(influence=-1.0))
    assert "none of 50 documents strengthens it." in words(written(results))


def test_a_line_has_the_beginning_of_its_text_and_leads_to_its_row_of_most_influence(results):
    rows = shown(results)
    page = written(results)
    linked = re.findall(
        r'<td>(\d+)</td><td class="text"><a href="#file-samples-index-html" data-sample="(.*?)"', page
    )
    address = "target=induction-1&amp;side=both&amp;row="
    assert linked == [("1", address + str(rows["top", 1])), ("50", address + str(rows["bottom", 1]))]
    assert html.escape(f"{HOSTILE} document 7 goes on and on and") in page
    assert max(map(len, re.findall('<span class="more">(.*?)</span>', html.unescape(page)))) == 90


def test_rows_have_the_beginning_of_their_text_too(results):
    samples = results / "samples" / "tokens.parquet"
    line = parquet.read_table(samples).to_pylist()[0]
    made = [{**line, "target": "copy", "row": 3, "pieces": [" one", " two", "\n"]}]
    parquet.write_table(samples, pa.Table.from_pylist(made))
    page = written(results, packed=True)
    assert (
        'data-sample="target=copy&amp;side=both&amp;row=3">row 3</a> <span class="more">one two</span>'
        in page
    )


def test_a_share_that_is_not_all_does_not_look_so():
    told = {0.0: "0 %", 0.001: "under 1 %", 0.25: "25 %", 0.9967: "over 99 %", 1.0: "100 %"}
    assert {share: trace_results.percent(share) for share in told} == told


def test_a_users_words_are_text(results):
    # The page has one of its own.
    assert written(results).count("<script") == 1


def test_it_speaks_of_no_training_that_was_not_there(results):
    told = words(written(results)).replace("Nothing was trained here", "")
    assert re.findall("window|base run|removed|retrain|step [0-9]|emerge|verdict", told) == []


def test_packed_rows_of_a_single_checkpoint(results):
    told = words(written(results, packed=True, several=False))
    assert "Scored 50 rows" in told
    assert "1 row 0 x 3 2 row 1" in told.partition("Found: induction-1")[2]
    assert "Against influence" not in told
    assert "scores/scores.parquet" in told and "influence_per_token" not in told


@pytest.mark.parametrize("number", [1, 5, 7, 41])
def test_both_ends_of_few_documents_are_whole(tmp_path, number):
    table = documents(number)
    parquet.write_table(tmp_path / "documents.parquet", table)
    rows = table.rename(columns={"document": "row"}).assign(step=0)
    parquet.write_table(tmp_path / "scores.parquet", rows)
    by_document = trace_results.of_documents(tmp_path / "documents.parquet", 2, 5)
    by_row = trace_results.of_rows(tmp_path / "scores.parquet", 5)
    for found in (by_document["copy"], by_row["copy"]):
        assert found.number == number
        assert [line.rank for line in found.highest] == list(range(1, min(number, 5) + 1))
        assert [line.rank for line in found.lowest] == list(range(number, max(number - 5, 0), -1))


def test_one_label_tells_nothing(tmp_path):
    shares = pd.DataFrame(
        [("all", "a", 1.0), ("influence-x", "a", 1.0)], columns=["selection", "label", "share"]
    )
    files.write_text(tmp_path / "labels.csv", shares.to_csv(index=False))
    assert trace_results.of_labels(tmp_path / "labels.csv", "x") == {}


def test_every_measure_is_told_in_words(tmp_path):
    random = {"tokens": "repeated", "length": 8, "sequences": 4, "seed": 0}
    (tmp_path / "texts.jsonl").touch()
    path = str(tmp_path / "texts.jsonl")
    asked = [
        (Probe(measure="induction", **random), "on 4 sequences of 8 random tokens, each shown twice"),
        (Probe(measure="previous_token", **random | {"tokens": "random"}), "attention to the token before"),
        (Probe(measure="activation", **random), "activation at the second showing"),
        (Probe(measure="rows", path=path, positions="repeated"), "of the tokens that repeat in the texts of"),
        (Probe(measure="prompts", path=path), f"the prompts of {path}"),
        (Probe(measure="own.py:mine", **random), "the function mine of own.py, on 4 sequences"),
    ]
    for probe, told in asked:
        assert told in trace_page.question(probe)


def test_what_is_approximate_is_said_so(results):
    line = {"checkpoint": 1, "norm_kept": 0.75, "cut_off": 0,
            "share": 1.0, "values": 64, "samples": 100, "spearman": 0.9, "spearman_low": 0.8,
            "spearman_high": 0.95, "overlap": 0.7, "chance": 0.1}  # fmt: skip
    lines = [{"target": target, **line} for target in ("induction-1", "copy")]
    other = {**lines[1], "checkpoint": 0, "norm_kept": 0.5, "cut_off": 7, "spearman": 0.8}
    table = pd.DataFrame([*lines, {**lines[0], "share": 0.5, "spearman": 0.3}, other])
    files.write_text(results / "evidence" / "stored_gradients.csv", table.to_csv(index=False))
    told = words(written(results, stored=True))
    kept = "computed from 64 stored numbers of each sample's gradients (75 % of the fitted gradients' squared"
    assert told.count(f"Influence is approximate here: it is {kept}") == 2
    assert told.count("rank correlation 0.90 [0.80, 0.95]; of the top 10 %, 70 % are the same") == 2
    # Its other checkpoint has a store of its own.
    [there] = re.findall("There influence is (.*?) by chance", told)
    assert (
        "(50 % of the fitted gradients' squared norm). In the whole store 7 numbers were too large" in there
    )
    assert "rank correlation 0.80" in there
    assert "0.30" not in told.partition("approximate")[2].partition("Documents of highest")[0]
    assert "approximate here" not in words(written(results))
