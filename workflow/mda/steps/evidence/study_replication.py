"""Do the main effects hold in models from other initial weights?"""

from pathlib import Path

from mda.evidence import planned
from mda.runtime import cli, files


def table(
    outcomes: list[Path], experiments: list[str], fraction: float, start: int, confidence: float, out: Path
) -> None:
    """Write `out`: `mda.evidence.planned.replications` of the experiments, whose tables are `outcomes`."""
    tables = {name: files.read_csv(path) for name, path in zip(experiments, outcomes, strict=True)}
    found = planned.replications(tables, fraction, start, confidence)
    files.write_text(out, found.to_csv(index=False, float_format="%.6g"))


if __name__ == "__main__":
    cli.run(table)
