"""Every study is whole: its folder, its step, its rule and its place among figures and findings."""

import ast
import re
from functools import cache

import jinja2
import pytest
import yaml
from project import ROOT

from mda.report import columns
from mda.runtime import fingerprints
from mda.studies import figures, findings

WORKFLOW = ROOT / "workflow"
FOLDERS = {path.parent.name: path.parent for path in (WORKFLOW / "mda" / "studies").glob("*/__init__.py")}


@cache
def named(path):
    """The modules that a source imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def imported(path):
    """The modules that a source imports, directly or not, those of the package followed."""
    found, waiting = set(), [path]
    while waiting:
        for name in named(waiting.pop()) - found:
            found.add(name)
            source = WORKFLOW.joinpath(*name.split(".")).with_suffix(".py")
            if source.is_file():
                waiting.append(source)
    return found


@pytest.mark.parametrize("study", FOLDERS)
def test_a_study_has_a_table_a_step_a_rule_and_a_caption(study):
    assert (FOLDERS[study] / "table.py").is_file()
    assert f"studies.{study}" in fingerprints.steps()
    rule = (WORKFLOW / "rules" / "studies" / f"{study}.smk").read_text()
    assert f"rule study_{study}:" in rule
    # Where it is asked for, which is one place.
    assert (WORKFLOW / "rules" / "study_inputs.smk").read_text().count(f'    "{study}": ') == 1
    caption = (FOLDERS[study] / "caption.rst").read_text()
    assert f"``study_{study}``" in caption


def test_rules_of_studies_are_those_of_folders():
    assert {path.stem for path in (WORKFLOW / "rules" / "studies").glob("*.smk")} == set(FOLDERS)


def test_every_figure_is_drawn():
    assert set(figures.FIGURES) == {study for study in FOLDERS if (FOLDERS[study] / "figure.py").is_file()}


def test_every_finding_is_judged_by_the_table_of_its_study():
    judged = {one.table for one in (*findings.FINDINGS, *findings.VALIDITY)}
    wanted = {study for study in FOLDERS if (FOLDERS[study] / "finding.py").is_file()}
    # Which findings contrasts has, its own table says.
    assert judged == wanted - {"contrasts"} | {"effects"}
    rules = "\n".join(path.read_text() for path in (WORKFLOW / "rules").rglob("*.smk"))
    assert all(f"rule {one.rule}:" in rules for one in (*findings.FINDINGS, *findings.VALIDITY))


CAPTIONS = sorted((WORKFLOW / "mda" / "studies").glob("*/*.rst"))


@pytest.mark.parametrize("path", CAPTIONS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_captions_can_be_filled_in(path):
    """From the configuration alone."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    template = jinja2.Template(path.read_text(), undefined=jinja2.StrictUndefined)
    shown = {"config": config, "wildcards": {"scope": "evidence"}}
    assert "Intervals are 95 %" in template.render(snakemake=shown)


def shown_tables():
    """The study and the caption of each table that the report shows."""
    for rules in sorted((WORKFLOW / "rules" / "studies").glob("*.smk")):
        [said] = re.findall(r"study_table\w*\((.*)\)", rules.read_text())
        if "caption=OF_RUNS" in said:
            caption = WORKFLOW / "report" / "study_of_runs.rst"
        elif "caption=" in said:
            caption = FOLDERS[rules.stem] / re.search(r"(\w+\.rst)", said)[1]
        else:
            caption = WORKFLOW / "report" / "study_table.rst"
        yield rules.stem, caption
    yield from ((study, folder / "caption.rst") for study, folder in FOLDERS.items())
    yield "effects", WORKFLOW / "report" / "effects_table.rst"


@pytest.mark.parametrize(
    ("study", "caption"), list(shown_tables()), ids=lambda one: getattr(one, "stem", one)
)
def test_a_caption_names_no_column_that_its_table_lacks(study, caption):
    table = columns.of(ROOT / "results" / "evidence" / f"{study}.csv")
    names = [column.name for column in (*table.columns, *table.optional)]
    told = " ".join(caption.read_text().split())
    named = set(re.findall(r"``(\w+)``", told)) - {f"study_{study}"}
    # Columns in italics stand behind the word.
    named |= set(re.findall(r"[Cc]olumns? \*(\w+)\*", told))
    for one in named:
        ending = f"that ends in ``{one}``" in told or f"columns ``{one}``" in told
        assert one in names or (ending and any(name.endswith(one) for name in names)), one


# Words of the same thing as another that the page uses, which stands behind.
SYNONYMS = {
    "hastens": "makes ... form earlier",
    "delet": "removal",
    "held-out rows": "held-out samples",
    "mean score ": "mean metric",
    "steps beyond": "steps of difference",
    "row of the window": "sample",
    "the other selection": "control",
    "embedded default": "the default experiment",
}


@pytest.mark.parametrize("word", SYNONYMS)
def test_the_report_has_one_word_for_a_thing(word):
    claims = [one.claim + one.missing for one in (*findings.FINDINGS, *findings.VALIDITY)]
    meanings = [column.meaning for table in columns.tables() for column in (*table.columns, *table.optional)]
    pages = [WORKFLOW / "report" / "report.html.j2", *(WORKFLOW / "report").glob("*.rst"), *CAPTIONS]
    for text in [*claims, *meanings, *(path.read_text() for path in pages)]:
        assert word not in text.lower(), text


# What a trace does not have.
OF_TRAINING = re.compile("training sample|base run|window|branch|retrain|order seed|emerg|remov|forms")
SHOWN_OF_A_TRACE = [
    *(WORKFLOW / "report" / f"{name}.rst" for name in ("heads", "influence", "labels", "samples")),
    *(WORKFLOW / "report" / f"{name}.rst" for name in ("sample_browser", "study_table", "workflow")),
    FOLDERS["agreement"] / "caption.rst",
]


@pytest.mark.parametrize("path", SHOWN_OF_A_TRACE, ids=lambda path: f"{path.parent.name}-{path.stem}")
@pytest.mark.parametrize("step", [None, 400])
def test_captions_of_a_trace_speak_of_no_training(path, step):
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    config["trace"] = {"checkpoints": {"early": {"step": step and 100}, "late": {"step": step}}}
    config["attribution"]["checkpoint"] = step or 1
    template = jinja2.Template(path.read_text(), undefined=jinja2.StrictUndefined)
    wildcards = {"target": "induction-1"}
    told = template.render(snakemake={"config": config, "wildcards": wildcards})
    assert OF_TRAINING.findall(told) == []
    assert (", at checkpoint late" in told or "that at checkpoint late" in told) == (
        path.stem in ("influence", "sample_browser") or path.parent.name == "agreement"
    )


@pytest.mark.parametrize("step", [*(f"studies.{study}" for study in FOLDERS), "studies.findings"])
def test_tables_and_findings_do_not_depend_on_figures(step):
    """So that a change of a figure makes no table again."""
    assert "mda.evidence" in imported(fingerprints.step_file(step))
    found = imported(fingerprints.step_file(step))
    assert not {name for name in found if "matplotlib" in name or "figure" in name}


def test_the_step_that_draws_depends_on_every_figure():
    """What the test above looks for can be found."""
    found = imported(fingerprints.step_file("studies.figure"))
    assert {"matplotlib", *(f"mda.studies.{study}.figure" for study in figures.FIGURES)} <= found
