"""Models that were trained elsewhere: their checkpoints are traced, and nothing is trained."""

from __future__ import annotations

import base64
import html
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pages
import pandas as pd
import pytest
import tables
import torch
import yaml
from independent import tiny
from loopback import Hub
from project import Project
from tokenizers import Tokenizer, models, pre_tokenizers

from mda.evidence import rounding
from mda.runtime import lineage

pytestmark = pytest.mark.slow

# What a page of HTML, a script in it, and a terminal would obey.
HOSTILE = ["</script><script>alert(1)</script>", "<b>&amp;", "\x1b[31mred", "line\nbreak", "plain"]
DOCUMENTS = 60


def run(project, *arguments, check=True):
    done = subprocess.run(
        [project.python, *arguments],
        cwd=project.folder,
        env=project.environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert not check or done.returncode == 0, done.stdout[-6000:]
    return done


def trace(project, name, overlay, *goals, check=True):
    """Run the tiny configuration with an overlay, as an experiment of its own."""
    file = project.folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump({"experiment": name, **overlay}))
    program = ["workflow/mda", "run", "--cold", *goals, "--configfile", "tiny.yaml", file.name]
    return run(project, *program, check=check)


def scores(project, name=""):
    table = pd.read_parquet(project.results / name / "scores" / "scores.parquet")
    return table.sort_values(["target", "row"], ignore_index=True)


@pytest.fixture(scope="module")
def trained(warm_python, tmp_path_factory):
    """A project whose run reads the rows as they are stored, as a trace does, up to its scores."""
    project = Project.make(tmp_path_factory.mktemp("trained") / "project", warm_python)
    project.configure("run.order_seed", None)
    project.configure("attribution.samples_per_shard", 64)
    project.snakemake("scored")
    return project


def test_checkpoints_of_a_run_give_its_scores_to_the_bit(trained):
    """The same rows, those of the fit too, in the same batches: two jobs of eight batches of 8 rows."""
    done = trace(trained, "packed", PACKED, "scored", "--verbose")
    assert "base_run" not in done.stdout
    mine, theirs = scores(trained, "packed"), scores(trained)
    assert len(mine) == 2 * 128
    assert mine["influence"].abs().min() > 0
    # The step of a trace is the job.
    pd.testing.assert_frame_equal(mine.drop(columns="step"), theirs.drop(columns="step"), check_exact=True)


PACKED = {
    "trace": {
        "checkpoints": {
            "early": {"model": "results/base/checkpoints/step-000004", "step": 4},
            "late": {"model": "results/base/checkpoints/step-000008", "step": 8},
        },
        "at": "early",
        "rows": 128,
        "jobs": 2,
    },
    "tokens": {"tokenizer": {"kind": "file", "path": "results/tokens/tokenizer.json"}},
}


def reader():
    """Twenty tokens, of which w1 to w18 are words."""
    words = {"<|endoftext|>": 0, "<unk>": 19} | {f"w{number}": number for number in range(1, 19)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


@pytest.fixture(scope="module")
def elsewhere(warm_python, tmp_path_factory):
    """A project with two checkpoints of a LLaMA in several files, and documents with ids, nothing run yet."""
    project = Project.make(tmp_path_factory.mktemp("elsewhere") / "project", warm_python)
    for name in ("early", "late"):
        model = tiny("llama")
        if name == "early":
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter += 0.1 * torch.randn_like(parameter)
        model.save_pretrained(project.folder / name, max_shard_size="8KB")
        assert len(list((project.folder / name).glob("*.safetensors"))) > 1
        reader().save(str(project.folder / name / "tokenizer.json"))
    generator = np.random.default_rng(0)
    with (project.folder / "documents.jsonl").open("w") as out:
        for number in range(DOCUMENTS):
            # Shorter than a row, as long as one, and of several.
            words = generator.integers(1, 19, 1 + number % 40).tolist()
            line = {
                "id": f"{HOSTILE[number % len(HOSTILE)]} {number}",
                "text": " ".join(f"w{n}" for n in words),
            }
            out.write(json.dumps(line) + "\n")
    return project


def documents(**changes):
    """An overlay that traces both checkpoints on the documents."""
    return {
        "trace": {"checkpoints": {"early": {"model": "early"}, "late": {"model": "late"}}} | changes,
        "corpus": {
            "source": "jsonl",
            "held_out": 0,
            "table": {"path": "documents.jsonl", "text": "text", "label": None, "columns": ["id"]},
        },
        "tokens": {"tokenizer": {"kind": "file", "path": "late"}, "pack": False},
        # All rows, so that every id is there.
        "figures": {"browser_samples": 200},
    }


@pytest.fixture(scope="module")
def traced(elsewhere):
    """The project after a whole trace in one job, and what the run printed."""
    return elsewhere, trace(elsewhere, "whole", documents()).stdout


def test_every_document_is_scored_once_for_each_target(traced):
    project, _ = traced
    found = pd.read_parquet(project.results / "whole" / "scores" / "documents.parquet")
    rows = scores(project, "whole")
    owners = pd.read_parquet(project.results / "whole" / "tokens" / "train.rows.parquet")
    ids = [json.loads(line)["id"] for line in (project.folder / "documents.jsonl").read_text().splitlines()]
    assert (owners["documents"].str.len() == 1).all()
    # Some documents have several rows.
    assert len(owners) > DOCUMENTS
    owner = owners["documents"].str[0].to_numpy()
    for target in ("induction-1", "pair"):
        mine = found[found["target"] == target].set_index("document").sort_index()
        assert mine.index.tolist() == list(range(DOCUMENTS))
        assert mine["id"].tolist() == ids
        each = rows[rows["target"] == target].sort_values("row")
        assert each["row"].tolist() == list(range(len(owners)))
        sums = each["influence"].astype(float).groupby(owner[each["row"]]).sum()
        np.testing.assert_allclose(mine["influence"], sums, rtol=1e-12)
        assert mine.sort_values("rank")["influence"].is_monotonic_decreasing


def test_the_page_has_the_ids_and_obeys_none(traced):
    project, _ = traced
    page = (project.results / "whole" / "samples" / "index.html").read_text()
    assert "plain 4" in page
    assert r"\u003c/script\u003e\u003cscript\u003ealert(1)" in page
    assert "alert(1)</script>" not in page
    assert "<b>&amp;" not in page


def test_the_browser_of_all_samples_has_both_checkpoints(traced):
    results = traced[0].results / "whole"
    found = pages.columns(results / "samples" / "all")
    assert list(found) == [
        f"{target} at {name}" for name in ("late", "early") for target in ("induction-1", "pair")
    ]
    [other] = (results / "variants").glob("checkpoint-*/scores/scores.parquet")
    for name, path in (("late", results / "scores" / "scores.parquet"), ("early", other)):
        mine = pd.read_parquet(path).query("target == 'pair'").sort_values(["step", "row"])
        assert found[f"pair at {name}"].tolist() == mine["influence"].astype("f4").tolist()


def test_the_report_has_what_was_asked_and_found_with_every_figure_and_the_page(traced):
    project, told = traced
    results = project.results / "whole"
    report = (results / "report.html").read_text()
    assert "report:    results/whole/report.html\n" in told
    figures = list((results / "figures").rglob("*.png"))
    assert len(figures) == 1 + 3 * 2 + 1
    for path in figures:
        assert base64.b64encode(path.read_bytes()).decode() in report
        assert f"<code>{path.relative_to(results)}</code>" in report
    # The page of the samples, as it is, in a frame.
    page = html.unescape(report.partition('srcdoc="')[2].partition('"></iframe>')[0])
    assert page == (results / "samples" / "index.html").read_text()
    assert "<code>evidence/agreement.csv</code>" in report
    found = pd.read_parquet(results / "scores" / "documents.parquet").query("target == 'pair' and rank <= 20")
    asked = report.partition('<section id="findings">')[2].partition("</section>")[0]
    assert asked.count('<td class="text">') == 2 * 2 * 20
    # Those with a row on the page lead to it.
    linked = {
        int(row) for row in re.findall(r'data-sample="target=pair&amp;side=both&amp;row=(\d+)">id ', asked)
    }
    tokens = pd.read_parquet(results / "samples" / "tokens.parquet").query("target == 'pair'")
    assert len(linked) >= 10 and linked <= set(tokens["row"])
    shown = re.sub("<[^>]*>", "", asked)
    for line in found.itertuples():
        assert f"{line.rank}id " in shown and f"all{rounding.number(line.influence)}" in shown
    nodes = {node.path.name for node in lineage.trace(results / "report.html").all()}
    assert {"trace.html.j2", "documents.parquet", "config.yaml"} <= nodes


def test_no_goal_trains_or_compares_trainings(elsewhere):
    """A trace has no studies beyond those that it makes anyway."""
    done = trace(elsewhere, "whole", documents(), "evidence", "-n")
    assert "base_run" not in done.stdout and "effects" not in done.stdout
    done = trace(elsewhere, "whole", documents(), "compared", check=False)
    assert done.returncode != 0
    assert "No rule to produce compared" in done.stdout
    assert "Traceback" not in done.stdout


def test_the_run_ends_with_the_documents_of_highest_influence(traced):
    project, told = traced
    found = pd.read_parquet(project.results / "whole" / "scores" / "documents.parquet")
    best = found.query("target == 'pair' and rank == 1").iloc[0]
    # What a terminal would obey is spelled out, on one line.
    shown = " ".join(best["id"].split()).replace("\x1b", "\\x1b")
    assert "\x1b[31mred" not in told
    assert f"    1. id {shown}, label all, influence {rounding.number(best['influence'])}\n" in told
    agreement = pd.read_csv(project.results / "whole" / "evidence" / "agreement.csv")
    line = agreement.query("target == 'pair'").iloc[0]
    assert line["variant"] == "checkpoint-0"
    assert f"  checkpoint early: rank correlation {line['spearman']:.2f} [" in told
    assert "results/whole/scores/documents.parquet\n" in told
    assert told.rstrip().endswith(
        "open results/whole/report.html in a browser, and results/whole/samples/index.html to read the "
        "samples token by token"
    )


def test_its_tables_are_described_and_lead_back_to_the_documents(traced, monkeypatch):
    project, _ = traced
    absent = tables.described(project.results / "whole")
    assert "scores/documents.parquet" not in absent
    monkeypatch.chdir(project.folder)
    found = run(project, "workflow/mda", "provenance", "results/whole/scores/documents.parquet").stdout
    assert "results/whole/corpus/documents.parquet" in found
    nodes = list(lineage.trace(project.results / "whole" / "scores" / "documents.parquet").all())
    assert {node.state for node in nodes} == {"", lineage.UNCHANGED}


def test_nothing_runs_again(traced):
    project, _ = traced
    done = run(
        project,
        "-m",
        "snakemake",
        "--profile",
        "profiles/local",
        "-n",
        "--configfile",
        "tiny.yaml",
        "whole.yaml",
    )
    assert "Nothing to be done" in done.stdout


def test_several_jobs_give_what_one_gives(traced):
    project, _ = traced
    trace(project, "jobs", documents(jobs=3), "scored")
    one, three = scores(project, "whole"), scores(project, "jobs")
    assert three["step"].nunique() == 3
    # Other batches round differently.
    same(three, one, 1e-4)


def same(mine, theirs, tolerance):
    """Scores of the same samples, as far as the tolerance goes, in parts of the largest."""
    for name in ("influence", "loss"):
        scale = theirs.groupby("target")[name].transform(lambda values: values.abs().max())
        np.testing.assert_allclose(mine[name] / scale, theirs[name] / scale, rtol=0, atol=tolerance)


def test_another_question_is_answered_from_stored_gradients(traced):
    """Another damping, and another target for units that are stored: nothing is fitted, no sample is read."""
    project, _ = traced
    overlay = documents(jobs=2)
    # All that the units have.
    stored = {"stored_gradients": {"values": 10**5, "checked": 20}}
    told = trace(project, "stored", overlay | {"attribution": stored}).stdout
    assert "approximate: computed from " in told
    assert "Influence is approximate here" in (project.results / "stored" / "report.html").read_text()
    # Half precision has 11 bits.
    same(scores(project, "stored"), scores(project, "whole"), 2e-3)
    # Each checkpoint has a store of its own, which is checked.
    [other] = (project.results / "stored" / "variants").glob("checkpoint-*")
    of_other = f"variants/{other.name}"
    same(scores(project, f"stored/{of_other}"), scores(project, f"whole/{of_other}"), 2e-3)
    checked = pd.read_csv(project.results / "stored" / "evidence" / "stored_gradients.csv")
    assert (checked["checkpoint"].value_counts() == len(checked) / 2).all()
    assert (checked.query("share == 1")["spearman"] > 0.99).all()
    assert (checked["samples"] == 20).all()
    assert (checked["cut_off"] == 0).all()
    whole, part = (checked.query(f"share == {share}")["norm_kept"] for share in (1, 1 / 16))
    assert whole.to_numpy() == pytest.approx(1)
    assert ((part > 1 / 16) & (part < 1)).all()
    tables.described(project.results / "stored")
    targets = [
        {"name": "pair", "units": ["L0H0", "L0H1"], "probe": "previous-token", "mode": "qkvo",
         "metric": "previous_token"},
        {"name": "third", "units": ["induction 1"], "probe": "previous-token", "mode": "qk",
         "metric": "prefix_matching"},
    ]  # fmt: skip
    other = overlay | {"targets": targets}
    told = trace(
        project, "stored", other | {"attribution": stored | {"damping": 0.5}}, "scored", "--verbose"
    ).stdout
    assert "rule score_shard" in told
    assert not re.search("rule (store_gradients|covariance_part|lambda_part)", told)
    trace(project, "pass", other | {"attribution": {"damping": 0.5}}, "scored")
    assert set(scores(project, "pass")["target"]) == {"pair", "third"}
    same(scores(project, "stored"), scores(project, "pass"), 2e-3)


def broken(project, name, change):
    """Trace a changed copy of a checkpoint; returns what is printed."""
    folder = project.folder / name
    shutil.copytree(project.folder / "late", folder)
    change(folder)
    overlay = documents(checkpoints={"late": {"model": name}})
    overlay["tokens"]["tokenizer"]["path"] = name
    done = trace(project, f"broken-{name}", overlay, check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    return done.stdout


def test_a_folder_without_all_its_weights_is_refused_in_the_plan(elsewhere):
    def without_a_file(folder):
        (folder / sorted(path.name for path in folder.glob("*.safetensors"))[1]).unlink()

    def pickled(folder):
        for path in folder.glob("*.safetensors*"):
            path.unlink()
        (folder / "pytorch_model.bin").write_bytes(b"pickle")

    assert "lacks model-00002-of-" in broken(elsewhere, "missing", without_a_file)
    assert "the folder pickled has no weights in safetensors" in broken(elsewhere, "pickled", pickled)
    for name in ("missing", "pickled"):
        assert not (elsewhere.results / f"broken-{name}").exists()


def test_a_tokenizer_of_another_model_is_refused_in_the_plan(elsewhere):
    def more_words(folder):
        tokenizer = reader()
        tokenizer.add_tokens([f"more{number}" for number in range(5)])
        tokenizer.save(str(folder / "tokenizer.json"))

    told = broken(elsewhere, "words", more_words)
    assert "the model has a vocabulary of 20, but the tokenizer has 25 tokens" in told
    assert not (elsewhere.results / "broken-words").exists()


@pytest.mark.rare
def test_revisions_of_the_hub_are_pinned_and_laid_out_with_all_their_files(elsewhere, tmp_path, monkeypatch):
    """Weights in several files, at two revisions, with the tokenizer of one."""
    with Hub() as server:
        for name in ("early", "late"):
            content = {path.name: path.read_bytes() for path in (elsewhere.folder / name).iterdir()}
            server.add("model", "toy/llama", name, content)
        for variable, value in server.environment(tmp_path / "home").items():
            monkeypatch.setenv(variable, value)
        # Not the warm one, which has read where the hub is.
        monkeypatch.setattr(elsewhere, "python", sys.executable)
        checkpoints = {name: {"model": "toy/llama", "revision": name} for name in ("early", "late")}
        overlay = documents(checkpoints=checkpoints)
        overlay["tokens"]["tokenizer"] = {"kind": "huggingface", "path": "toy/llama", "revision": "late"}
        goal = "results/hub/base/checkpoints"
        told = trace(elsewhere, "hub", overlay, goal, check=False).stdout
        assert "toy/llama at early is not pinned; run make pin" in told
        run(elsewhere, "workflow/mda", "pin", "tiny.yaml", "hub.yaml")
        trace(elsewhere, "hub", overlay, goal)
    for step, name in enumerate(("early", "late")):
        made = elsewhere.folder / goal / f"step-{step:06d}"
        for path in (elsewhere.folder / name).glob("*.safetensors"):
            assert (made / path.name).read_bytes() == path.read_bytes()
