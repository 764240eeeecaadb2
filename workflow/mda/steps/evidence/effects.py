"""Turn the curves of all runs into outcomes and effects with intervals."""

from pathlib import Path

from mda.config import sections
from mda.evidence import csv_tables, effect_table, planned_tests
from mda.runtime import cli, parquet


def estimate(
    curves: Path, settings: sections.Evidence, fraction: float, out: Path, out_outcomes: Path
) -> None:
    """Write `out` (effects, CSV) and `out_outcomes` (a line for each run and target, CSV).

    The columns are those of `mda.evidence.effect_table.effects` with those of
    `mda.evidence.planned_tests.marked`, at the share of samples `fraction`, and those of
    `mda.evidence.effect_table.outcomes`.
    """
    table = effect_table.outcomes(
        parquet.read_table(curves).to_pandas(), settings.threshold, settings.sum_threshold
    )
    csv_tables.write(out_outcomes, table)
    found = effect_table.effects(table, settings.confidence)
    csv_tables.write(out, planned_tests.marked(found, fraction, settings.confidence))


if __name__ == "__main__":
    cli.run(estimate)
