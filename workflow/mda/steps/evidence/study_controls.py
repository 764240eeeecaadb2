"""Is influence better than each cheaper way to select?"""

from pathlib import Path

from mda.evidence import effect_table
from mda.runtime import cli, files


def table(outcomes: Path, kind: str, fraction: float, confidence: float, out: Path) -> None:
    """Write `out`: `mda.evidence.effect_table.against_controls` of one intervention at one fraction."""
    found = effect_table.against_controls(files.read_csv(outcomes), kind, fraction, confidence)
    files.write_text(out, found.to_csv(index=False, float_format="%.6g"))


if __name__ == "__main__":
    cli.run(table)
