"""The worked examples of CONTRIBUTING.md that are rules: applied to a project, and run."""

import re

import pandas as pd
import pytest
import recipes

from mda.config import strict_yaml

pytestmark = pytest.mark.slow

GUIDE = "CONTRIBUTING.md"


def saved_as(project, title):
    """Save the step of an example where the guide says."""
    place = re.search(r"Save it as\s+`(workflow/\S+?\.py)`", recipes.section(GUIDE, title))[1]
    (project.folder / place).write_text(recipes.blocks(GUIDE, title, "python")[0])


def explained(project, title):
    """Names of the columns that the example explains."""
    source = project.folder / "workflow" / "mda" / "report" / "columns.yaml"
    [meaning] = recipes.blocks(GUIDE, title)
    source.write_text(source.read_text() + meaning)
    described = strict_yaml.read(source)["tables"][-1]
    return {entry if isinstance(entry, str) else next(iter(entry)) for entry in described["columns"]}


@pytest.mark.rare
def test_add_a_rule(finished, tmp_path):
    project = finished.copy(tmp_path / "project")
    saved_as(project, "Add a rule")
    [rule] = recipes.blocks(GUIDE, "Add a rule", "snakemake")
    place = project.folder / "workflow" / "rules" / "corpus.smk"
    place.write_text(f"{place.read_text()}\n\n{rule}")
    project.snakemake("results/tokens/labels.csv")
    table = pd.read_csv(project.results / "tokens" / "labels.csv")
    rows = pd.read_parquet(project.results / "tokens" / "train.rows.parquet")
    assert table["rows"].sum() == len(rows)
    assert set(table["label"]) == {"prose", "tiled"}
    assert explained(project, "Add a rule") == set(table.columns)


def test_add_a_study(finished, tmp_path):
    title = "Add a study"
    project = finished.copy(tmp_path / "project")
    places = re.findall(r"`(workflow/\S+?/labels(?:\.\w+|/\w+\.\w+))`", recipes.section(GUIDE, title))
    sources = recipes.blocks(GUIDE, title, "python") + recipes.blocks(GUIDE, title, "rst")
    sources += recipes.blocks(GUIDE, title, "snakemake")
    for place, source in zip(places, sources, strict=True):
        (project.folder / place).parent.mkdir(exist_ok=True)
        (project.folder / place).write_text(source)
    (project.folder / "workflow" / "mda" / "studies" / "labels" / "__init__.py").write_text(
        '"""The question."""\n'
    )
    figures = "workflow/mda/studies/figures.py"
    [imported, listed] = re.search(
        r"Add `(from [^`]+)` to the imports,\s+and `([^`]+)` to `FIGURES`", recipes.section(GUIDE, title)
    ).groups()
    project.edit(figures, '    "dose": dose.draw,\n', f'    "dose": dose.draw,\n    {listed},\n')
    taken = "from mda.studies.dose import figure as dose\n"
    project.edit(figures, taken, f"{taken}{imported}\n")
    project.edit(
        "workflow/rules/study_inputs.smk",
        '    "coupling": True,\n',
        '    "coupling": True,\n    "labels": True,\n',
    )
    project.snakemake("results/figures/evidence/labels.png")
    table = pd.read_csv(project.results / "evidence" / "labels.csv")
    scores = pd.read_parquet(project.results / "scores" / "scores.parquet")
    means = scores.groupby(["target", "label"])["influence"].mean()
    for line in table.itertuples():
        assert line.mean == pytest.approx(means[line.target, line.label], rel=1e-4)
    assert explained(project, title) == set(table.columns)
