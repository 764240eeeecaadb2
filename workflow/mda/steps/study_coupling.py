"""Do the unit and in-context learning move together?"""

from pathlib import Path

from mda import cli, evidence, files


def table(outcomes: Path, confidence: float, out: Path) -> None:
    """Write `out`: `mda.evidence.coupling` of all runs."""
    found = evidence.coupling(files.read_csv(outcomes), confidence)
    files.write_text(out, found.to_csv(index=False, float_format="%.6g"))


if __name__ == "__main__":
    cli.run(table)
