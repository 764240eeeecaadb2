"""What is said of the columns of result tables, held against the tables."""

from pathlib import Path

from mda.commands import columns as command
from mda.report import columns


def described(results: Path) -> set[str]:
    """Assert that each table has the columns that are described, and no others.

    Returns:
        The described tables of which there is none, by their first pattern.
    """
    seen = set()
    for path in [*results.rglob("*.parquet"), *results.rglob("*.csv")]:
        if "resume" in path.parts:
            continue
        table = columns.of(path)
        assert table is not None, path
        names = command.names_of(path)
        assert [name for name in names if table.column(name) is None] == [], path
        assert [column.name for column in table.columns if column.name not in names] == [], path
        seen.add(table.files[0])
    return {table.files[0] for table in columns.tables()} - seen
