"""Every rule on a tiny configuration, from nothing to the report."""

import base64
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import tables
from project import ROOT
from tokenizers import Tokenizer

from mda.interventions import repetition
from mda.runtime import files, lineage

pytestmark = pytest.mark.slow

# Those of what `snakemake` makes anyway.
PLAIN_STUDIES = ("coupling", "enrichment", "stream", "tail")


def test_every_rule_has_run(finished):
    rules = "\n".join(path.read_text() for path in (ROOT / "workflow" / "rules").rglob("*.smk"))
    names = set(re.findall(r"^ *rule (\w+):", rules, re.MULTILINE))
    logs = {path.relative_to(finished.results / "logs").parts[0] for path in finished.results.rglob("*.log")}
    # These have runs of their own in test_published.py and test_evidence.py.
    names -= {"checkpoint", "measure_published", "measured_text", "batches"}
    names -= {"control_scores", "gradient_norm"}
    # And these in test_trace.py.
    names -= {"traced_rows", "traced_checkpoints", "document_scores", "trace_report"}
    names -= {"stored_directions", "store_gradients", "check_gradients"}
    # And these in test_trajectory.py.
    names -= {"trajectory", "trajectory_mean"}
    studies = {name for name in names if name.startswith("study_")}
    names -= studies - {f"study_{name}" for name in PLAIN_STUDIES}
    # Made in a loop.
    names |= {"plot_study_coupling", "plot_study_enrichment", "plot_study_stream"}
    assert names == {name.removesuffix(".log") for name in logs}


def test_the_output_shows_progress_numbers_and_the_report(finished):
    output = (finished.folder / "output.txt").read_text()
    assert "\x1b" not in output
    assert re.search(
        r"^\d\d:\d\d:\d\d 79 jobs: .*corpus \d+, .*; time left is known after", output, re.MULTILINE
    )
    assert re.search(r"^\d\d:\d\d:\d\d 79 of 79 jobs: .* done; about 0 s left$", output, re.MULTILINE)
    assert re.search(r"^79 jobs done in \d+ ", output, re.MULTILINE)
    assert "Resource(" not in output
    assert "labels of the top samples by influence" in output
    assert "report:  results/report.html" in output
    assert "remove, replaced: random 10 %" in output
    # The end: every verdict of a planned test, where to look, and what to do.
    end = output[output.index("findings on induction-1 (the planned tests first)") :]
    assert "cannot be told here  Removing the top samples by influence delays the unit" in end
    assert "samples: results/samples/index.html" in end
    assert end.splitlines()[-1].startswith("next: open results/report.html in a browser")


def test_snakemakes_own_messages_are_all_in_its_log(finished):
    [log] = (finished.folder / ".snakemake" / "log").glob("*.snakemake.log")
    text = log.read_text()
    assert text.count("\nFinished jobid:") == 80
    assert "(100%) done" in text
    assert "reason: " in text


def test_every_result_can_be_traced_back_to_the_corpus(finished, monkeypatch):
    monkeypatch.chdir(finished.folder)
    results = finished.folder / "results"
    # Hidden ones are Snakemake's, of folders that are results.
    names = [
        path
        for path in results.rglob("*")
        if path.is_file() and not path.name.endswith(".made_by.json") and not path.name.startswith(".")
    ]
    aside = {"logs", "benchmarks", "resume"}
    told, silent = set(), []
    for path in names:
        inside = path.relative_to(results)
        if aside & set(inside.parts) or {"checkpoints", "state"} & set(inside.parts):
            continue
        record = lineage.record_of(path)
        told.add(path.suffix)
        if record is None:
            silent.append(str(inside))
    assert silent == []
    assert told == {
        ".yaml", ".parquet", ".npy", ".json", ".safetensors", ".csv", ".png", ".pdf", ".html", ".js",
    }  # fmt: skip
    for path in (results / "base" / "state", results / "base" / "checkpoints" / "step-000004"):
        assert lineage.record_of(path)["step"] == "training.base_run"
    nodes = list(lineage.trace(results / "report.html").all())
    assert {node.state for node in nodes} == {"", lineage.UNCHANGED}
    assert Path("results/corpus/documents.parquet") in {node.path for node in nodes}
    foreign = {node.path.name for node in nodes if node.record is None}
    templates = {path.name for path in (ROOT / "workflow" / "report").glob("*.*")}
    # Captions of the studies lie with the studies, under one name or another.
    captions = {path.name for path in (ROOT / "workflow" / "mda" / "studies").rglob("*.rst")}
    assert foreign == {"own_probe.py"} | captions | templates - {
        "samples.html.j2", "samples.css", "samples.js", "all_samples.html.j2",
        "trace.html.j2", "result_files.yaml",
    }  # fmt: skip


def test_every_column_of_every_table_has_a_meaning_and_a_unit(finished):
    absent = tables.described(finished.results)
    # These have runs of their own in test_published.py and test_evidence.py.
    assert "tokens/batches.parquet" in absent
    assert all(
        name.startswith(
            (
                "evidence/",
                # Nothing else than influence selects here.
                "controls.csv",
                "tokens/batches",
                "scores/controls",
                "scores/documents",
                "trajectory/",
                "gradients/",
            )
        )
        for name in absent
    ), absent


def test_the_report_has_every_figure_with_its_caption(finished):
    report = (finished.results / "report.html").read_text()
    figures = list(finished.results.glob("figures/**/*.png"))
    # Those of emergence stand beside the answers too.
    first = len(list(finished.results.glob("figures/emergence/*.png")))
    assert report.count('<img src="data:image/png;base64,') == len(figures) + first
    for path in figures:
        assert f"<code>{path.relative_to(finished.results)}</code>" in report
        assert base64.b64encode(path.read_bytes()).decode() in report
    for words in (
        "Prefix-matching score, previous-token score",
        "Lines are means over 2 order seeds, and bands their 95 % intervals",
        "Previous-token score of pair in every branch",
        "(ekfac, at step 4, fitted on 40 samples)",
    ):
        assert words in report
    for category in ("Evidence", "Attribution", "Samples", "Studies", "Units"):
        assert f"<h2>{category}</h2>" in report


def test_every_finding_has_a_verdict(finished):
    found = pd.read_csv(finished.results / "tables" / "findings.csv")
    # A model of eight steps forms nothing.
    assert set(found["verdict"]) == {"cannot be told here", "not run"}
    assert (finished.results / "report.html").read_text().count('class="claim"') == len(found)
    files_named = set(found["file"].dropna())
    studies = {f"evidence/{name}.csv" for name in ("tail", "enrichment", "stream")}
    assert files_named == studies | {"tables/effects.csv", "tables/coupling.csv"}
    assert all((finished.results / name).is_file() for name in files_named)


def test_every_figure_is_png_and_pdf(finished):
    figures = finished.results / "figures"
    png = {path.relative_to(figures).with_suffix("") for path in figures.rglob("*.png")}
    pdf = {path.relative_to(figures).with_suffix("") for path in figures.rglob("*.pdf")}
    assert png == pdf
    # The heads, two targets' own, and three studies that need no further run.
    assert len(png) == 1 + 7 * 2 + 3


def test_every_sample_of_the_run_is_scored_for_every_target(finished):
    scores = pd.read_parquet(finished.results / "scores" / "scores.parquet")
    order = pd.read_parquet(finished.results / "schedules" / "order.parquet")
    for target, mine in scores.groupby("target"):
        assert sorted(mine["row"]) == sorted(order["row"]), target
        parts = mine["qk"] if target == "pair" else mine["qk"] + mine["v"] + mine["o"]
        np.testing.assert_allclose(mine["influence"], parts, rtol=1e-4, atol=1e-3)
    assert len(list((finished.results / "scores" / "shards").glob("*"))) == 3


def test_the_shown_samples_are_the_extremes_and_their_tokens_sum_to_the_influence(finished):
    scores = pd.read_parquet(finished.results / "scores" / "scores.parquet")
    shown = pd.read_parquet(finished.results / "samples" / "tokens.parquet")
    stored = np.load(finished.results / "tokens" / "train.npy")
    tokenizer = Tokenizer.from_file(str(finished.results / "tokens" / "tokenizer.json"))
    for target, mine in scores.groupby("target"):
        ours = shown[shown["target"] == target]
        order = mine["influence"].sort_values().tolist()
        assert ours[ours["side"] == "top"]["influence"].tolist() == order[:-11:-1]
        assert ours[ours["side"] == "bottom"]["influence"].tolist() == order[:10]
        scale = mine["influence"].abs().max()
        for _, sample in ours.iterrows():
            [score] = mine[mine["row"] == sample["row"]].to_dict("records")
            for column in ("step", "label", "influence", "loss"):
                assert sample[column] == score[column]
            assert abs(sample["token_influence"].sum() - score["influence"]) < 1e-5 * scale
            row = stored[sample["row"]]
            text = tokenizer.decode(row.tolist(), skip_special_tokens=False)
            assert "".join(sample["pieces"]).rstrip() == text
            repeated = repetition.repeated_positions(row.astype(int), 2)
            assert ((sample["repeated"] > 0) == repeated).all()
            assert sample["token_loss"].sum() == pytest.approx(score["loss"], rel=1e-5)
            # Of heads; each position gives its attention away, most of it to at most three tokens.
            shares = sample["attention"].reshape(len(row) - 1, 3)
            assert (
                shares[0].tolist() == [1, 0, 0]
                and ((shares.sum(axis=1) > 0) & (shares.sum(axis=1) < 1.01)).all()
            )
            attended = sample["attended"].reshape(shares.shape)
            assert (attended.max(axis=1) <= np.arange(len(row) - 1)).all()
            assert 0 < sample["received"].max() <= 1


def test_the_page_of_samples_says_what_made_it(finished):
    record = json.loads(files.made_by_of(finished.results / "samples" / "index.html"))
    assert record["step"] == "report.sample_browser"


def test_the_effects_have_every_cell(finished):
    effects = pd.read_csv(finished.results / "tables" / "effects.csv")
    # Two targets; base, two influence selections and random removed, random augmented.
    assert len(effects[effects["outcome"] == "formation_step"]) == 2 * (1 + 3 + 1)
    removed = effects[(effects["intervention"] == "replace") & (effects["selection"] != "random")]
    for column in ("to_base", "to_base_low", "to_base_high", "to_base_p", "to_random"):
        assert removed[column].notna().all(), column
    assert (effects["seeds"] == 2).all()


def test_replacing_changes_just_the_selected_places(finished, tmp_path):
    schedules = finished.results / "schedules"
    base = pd.read_parquet(schedules / "orders" / "seed-1.parquet")
    changes = schedules / "branches" / "replace" / "random" / "top-10" / "seed-1.parquet"
    stream = [sys.executable, str(finished.folder / "workflow" / "mda"), "stream"]
    subprocess.run([*stream, str(changes), str(tmp_path / "whole.csv")], check=True)
    changed = pd.read_csv(tmp_path / "whole.csv")
    assert len(changes_only := pd.read_parquet(changes)) < len(base)
    folder = finished.results / "selections" / "random"
    other, selected = (
        set(pd.read_parquet(folder / f"draw-{seed}" / "top-10.parquet")["row"]) for seed in (0, 1)
    )
    assert other != selected
    assert (changed["role"] == "replacement").tolist() == base["row"].isin(selected).tolist()
    assert (changes_only["role"] == "replacement").all()
    assert not changed["row"].isin(selected).any()


def test_a_branch_begins_where_the_base_run_was(finished):
    """At the window's start nothing has happened yet, so all runs measure the same."""
    measured = [
        pd.read_parquet(path).set_index("step").loc[2, ["held_out_loss", "icl_score"]]
        for path in [
            finished.results / "base" / "steps.parquet",
            *finished.results.glob("runs/**/steps.parquet"),
        ]
    ]
    assert len(measured) == 11
    for other in measured[1:]:
        assert other.tolist() == measured[0].tolist()


def test_selections_have_score_rank_label_and_excerpt(finished):
    paths = list(finished.results.glob("selections/**/*.parquet"))
    assert len(paths) == 4
    for path in paths:
        table = pd.read_parquet(path)
        assert list(table.columns) == ["rank", "score", "row", "step", "label", "excerpt"]
        assert table["rank"].tolist() == list(range(1, 11))
        assert table["score"].is_monotonic_decreasing
        assert table["step"].between(2, 7).all()


def test_results_name_what_made_them(finished):
    for path in finished.results.rglob("*.parquet"):
        made_by = json.loads(pq.read_schema(path).metadata[b"made_by"])
        assert {"step", "parameters", "inputs", "packages", "code"} <= set(made_by), path
    checkpoints = list(finished.results.glob("base/checkpoints/step-*"))
    assert len(checkpoints) == 3
    for folder in checkpoints:
        assert json.loads((folder / "made_by.json").read_text())["step"] == "training.base_run"


def test_nothing_is_left_of_unfinished_work(finished):
    assert not list(finished.results.rglob("*.part"))
    assert not [path for path in (finished.results / "resume").rglob("*") if path.is_file()]


def test_a_second_call_does_nothing_and_is_quick(finished, tmp_path):
    project = finished.copy(tmp_path / "project")
    report = (project.results / "report.html").stat().st_mtime_ns
    began = time.monotonic()
    done = project.make_all()
    assert done.returncode == 0, done.stdout
    assert time.monotonic() - began < 20
    assert "Nothing to be done" in done.stdout
    assert (project.results / "report.html").stat().st_mtime_ns == report


def test_snakemakes_own_report_has_every_figure(finished, tmp_path):
    """A recipe of the README: its captions read the configuration."""
    project = finished.copy(tmp_path / "project")
    project.snakemake("--report", "jobs.html")
    page = (project.folder / "jobs.html").read_text()
    assert "The dotted line is the threshold (0.1)" in page
    assert "effects.png" in page or "figures/effects" in page
