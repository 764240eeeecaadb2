"""`mda columns`: the one source of meanings is whole, and a table finds its own."""

from pathlib import Path

import pandas as pd
import pytest

from mda.commands import program
from mda.config import strict_yaml
from mda.report import columns


def test_every_shared_meaning_is_used():
    """A table's own meaning hides the shared one."""
    source = strict_yaml.read(columns.SOURCE)
    tables = [[*table["columns"], *table.get("optional", [])] for table in source["tables"]]
    entries = [entry for listed in tables for entry in listed]
    by_name = {entry for entry in entries if isinstance(entry, str)}
    assert set(source["columns"]) <= by_name
    for end in source["endings"]:
        assert any(name.endswith(end) for name in by_name), end


def test_every_column_has_a_unit_and_a_meaning_and_no_table_has_one_twice():
    for table in columns.tables():
        names = [column.name for column in (*table.columns, *table.optional)]
        assert len(set(names)) == len(names), table.files
        assert all(column.unit and column.meaning for column in (*table.columns, *table.optional))


@pytest.mark.parametrize(
    ("path", "holds"),
    [
        ("results/selections/random/draw-0/top-10.parquet", "The selected samples"),
        ("results/synthetic/random/draw-0/top-10.rows.parquet", "What these samples are made of"),
        ("results/mine/runs/base/seed-0/heads.parquet", "Scores of every head"),
        ("results/schedules/orders/seed-0.parquet", "The exact training stream of a run"),
        ("results/schedules/branches/mask/loss/top-10/seed-0.parquet", "What a branch changes in the order"),
        ("results/evidence/subsets/curves.parquet", "The curves of all runs"),
    ],
)
def test_a_table_is_known_by_its_place(path, holds):
    assert columns.of(Path(path)).holds.startswith(holds)


def test_an_interval_has_the_unit_of_its_value():
    table = columns.of(Path("results/evidence/enrichment.csv"))
    assert table.column("ratio_low") == ("ratio_low", "-", "lower end of the confidence interval of ratio")
    effects = columns.of(Path("results/base/steps.parquet"))
    assert effects.column("icl_score").unit == "nats"


def test_the_command_prints_the_columns_of_the_file(tmp_path, capsys):
    path = tmp_path / "base" / "steps.parquet"
    path.parent.mkdir()
    pd.DataFrame({"step": [1], "icl_score": [0.0], "activation L1N37": [1.0]}).to_parquet(path)
    assert program.main(["columns", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{path}: Metrics of a run at every evaluation, or of published checkpoints"
    assert [line.split("  ")[0] for line in lines[2:]] == ["column", "step", "icl_score", "activation L1N37"]
    assert "nats" in lines[4]


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("heads/ranking.csv", "kind,rank,head,own\n", "the column 'own' is not described"),
        ("mine.csv", "a,b\n", "is no result table of this workflow"),
        ("mine.txt", "a,b\n", "is neither Parquet nor CSV"),
        ("base/steps.parquet", "a,b\n", "cannot be read as Parquet"),
        ("tables/effects.csv", None, "cannot be read as CSV"),
    ],
)
def test_what_cannot_be_told_is_one_sentence(tmp_path, capsys, name, text, sentence):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    if text is not None:
        path.write_text(text)
    assert program.main(["columns", str(path)]) == 1
    told = capsys.readouterr().err
    assert f"error: {path}: {sentence}" in told
    assert told.count("\n") == 1
