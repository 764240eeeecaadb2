"""Is influence better than each cheaper way to select?"""

from pathlib import Path

from mda import cli, evidence, files


def table(outcomes: Path, kind: str, fraction: float, confidence: float, out: Path) -> None:
    """Write `out`: `mda.evidence.against_controls` of one intervention at one fraction."""
    found = evidence.against_controls(files.read_csv(outcomes), kind, fraction, confidence)
    files.write_text(out, found.to_csv(index=False, float_format="%.6g"))


if __name__ == "__main__":
    cli.run(table)
