"""Do the unit and in-context learning move together?"""

from pathlib import Path

from mda.evidence import effect_table
from mda.runtime import cli, files


def table(outcomes: Path, confidence: float, out: Path) -> None:
    """Write `out`: `mda.evidence.effect_table.coupling` of all runs."""
    found = effect_table.coupling(files.read_csv(outcomes), confidence)
    files.write_text(out, found.to_csv(index=False, float_format="%.6g"))


if __name__ == "__main__":
    cli.run(table)
