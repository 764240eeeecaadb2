"""`mda summary`: it ends with verdicts, places and a next step."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mda.commands import program, summary
from mda.runtime import files, parquet

LINE = {
    "target": "induction-1", "published": "accelerates", "value": -7.2, "low": -11.6, "high": -2.7,
    "unit": "steps", "runs": 4, "detectable": 3.0, "note": "", "file": "", "rule": "",
}  # fmt: skip
FINDINGS = [
    {**LINE, "finding": "tail", "claim": "Influence is heavy-tailed", "verdict": "reproduced"},
    {**LINE, "finding": "lds", "claim": "It predicts", "verdict": "not run"},
    {**LINE, "finding": "duplication", "claim": "Duplicating hastens it", "verdict": "reproduced"},
    {
        **LINE, "finding": "removal", "claim": "Removing delays it", "verdict": "cannot be told here",
        "value": np.nan, "low": np.nan, "note": "the unit does not form",
    },
]  # fmt: skip
POWER = "4 runs find an effect of 3 steps four times out of five"
EFFECT = {
    "target": "induction-1", "outcome": "formation_step", "fraction": 0.1,
    "seeds": 4, "formed": 1.0, "mean": 173.0,
    "to_base": -12.4, "to_base_low": -17.0, "to_base_high": -7.8,
    "to_random": -7.2, "to_random_low": -11.6, "to_random_high": -2.7,
}  # fmt: skip


@pytest.fixture
def results(tmp_path, monkeypatch):
    """What of the results a summary reads."""
    monkeypatch.chdir(tmp_path)
    folder = Path("results")
    files.write_json(folder / "heads" / "targets.json", {"targets": {"induction-1": {"units": ["L1H0"]}}})
    lines = [
        {**EFFECT, "intervention": "base", "selection": "none"},
        {**EFFECT, "intervention": "duplicate", "selection": "influence-induction-1"},
    ]
    files.write_text(folder / "tables" / "effects.csv", pd.DataFrame(lines).to_csv(index=False))
    files.write_text(folder / "tables" / "findings.csv", pd.DataFrame(FINDINGS).to_csv(index=False))
    for name in ("report.html", "samples/index.html"):
        files.write_text(folder / name, "page")
    return folder


def test_planned_tests_come_first_and_what_needs_studies_is_counted(results, capsys):
    assert program.main(["summary"]) == 0
    told = capsys.readouterr().out
    assert "forms at step 173 (4 seeds)" in told
    [line] = [line for line in told.splitlines() if "duplicate: influence 10 %" in line]
    assert re.split(r" {2,}", line.strip())[1:] == ["-12.4 [-17.0, -7.8]", "-7.2 [-11.6, -2.7] *"]
    assert told.partition("findings on")[2].splitlines()[:8] == [
        " induction-1 (the planned tests first)",
        "  reproduced           Duplicating hastens it",
        f"                       -7.2 [-11.6, -2.7] steps; {POWER}; published: accelerates",
        "  cannot be told here  Removing delays it",
        "                       not measured; the unit does not form; published: accelerates",
        "  reproduced           Influence is heavy-tailed",
        f"                       -7.2 [-11.6, -2.7] steps; {POWER}; published: accelerates",
        "  1 more were not run: they need the studies",
    ]


def test_an_effect_is_told_in_the_outcome_that_its_verdict_is_of(results, capsys):
    """New samples are tested by the mean metric; when the unit forms is another number, and no verdict's."""
    metric = {"outcome": "score_area", "to_base": 0.06, "to_base_low": 0.03, "to_base_high": 0.09}
    metric |= {"to_random": 0.031, "to_random_low": 0.012, "to_random_high": 0.051}
    own = {"intervention": "augment", "selection": "influence-induction-1"}
    lines = [
        {**EFFECT, "intervention": "base", "selection": "none"},
        {**EFFECT, **own, "to_random_high": 0.1},
        {**EFFECT, **own, **metric},
        {**EFFECT, **own, **metric, "selection": "random"},
        {**EFFECT, **own, **metric, "intervention": "duplicate"},
    ]
    files.write_text(results / "tables" / "effects.csv", pd.DataFrame(lines).to_csv(index=False))
    assert program.main(["summary"]) == 0
    told = capsys.readouterr().out
    steps, _, others = told.partition("mean metric over the window, higher (+) or lower (-):")
    assert "-7.2 [-11.6, +0.1]" in steps and "*" not in steps
    [line] = [line for line in others.splitlines() if "augment: " in line]
    assert line.endswith("+0.031 [+0.012, +0.051] *")
    assert "* against random: what a planned test is of" in others
    assert "duplicate" not in others.partition("findings on")[0]


def test_it_ends_with_the_places_and_a_next_step(results, capsys):
    assert program.main(["summary", "results"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "samples: results/samples/index.html" in lines
    assert "mda run evidence" in lines[-1]
    files.write_text(results / "evidence.html", "page")
    assert summary.next_step(results).endswith("README.md shows how")
    (results / "report.html").unlink()
    assert summary.next_step(results) == "make the report with `mda run`"


def test_with_the_studies_every_finding_is_listed(results, capsys):
    findings = pd.DataFrame(FINDINGS).to_csv(index=False)
    files.write_text(results / "evidence" / "findings.csv", findings)
    assert program.main(["summary"]) == 0
    told = capsys.readouterr().out
    assert "not run              It predicts" in told
    assert "more need" not in told


def test_nothing_finished_is_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert program.main(["summary"]) == 1
    assert "results/heads/targets.json: is not there, so nothing is finished here" in capsys.readouterr().err


def test_a_trace_of_packed_rows_tells_the_rows_of_highest_influence(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = Path("results")
    files.write_text(
        folder / "config.yaml",
        "trace: {checkpoints: {early: {step: 4}, late: {step: 9}}}\n"
        "tokens: {pack: true}\nattribution: {checkpoint: 9}\n",
    )
    assert program.main(["summary"]) == 1
    assert "results/heads/targets.json: is not there" in capsys.readouterr().err
    files.write_json(folder / "heads" / "targets.json", {"targets": {"a": {"units": ["L1H0"]}}})
    assert program.main(["summary"]) == 1
    assert "results/scores/scores.parquet: is not there" in capsys.readouterr().err
    lines = pd.DataFrame({"target": "a", "step": 0, "row": range(8), "label": "x\ny"})
    parquet.write_table(
        folder / "scores" / "scores.parquet", lines.assign(influence=[3.0, -1, 7, 0, 1, 2, 4, 5])
    )
    line = {"target": "a", "variant": "checkpoint-4", "chance": 0.1, "overlap": 0.5}
    agreement = pd.DataFrame([{**line, "spearman": 0.25, "spearman_low": 0.2, "spearman_high": 0.3}])
    files.write_text(folder / "evidence" / "agreement.csv", agreement.to_csv(index=False))
    assert program.main(["summary"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[1:4] == [
        "a (L1H0), influence at checkpoint late",
        "  rows of highest influence:",
        "    1. row 2, label x y, influence 7",
    ]
    assert "    5. row 5, label x y, influence 2" in told
    assert not any("row 4" in one for one in told)
    agrees = "rank correlation 0.25 [0.20, 0.30]; of the top 10 %, 50 % are the same (10 % by chance)"
    assert f"  checkpoint early: {agrees}" in told
    assert "scores:    results/scores/scores.parquet" in told
