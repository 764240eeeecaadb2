"""Join the parts of Λ, the fitted eigenvalues of the curvature."""

from pathlib import Path

from mda.attribution import factor_files
from mda.runtime import cli


def merge(parts: list[Path], out: Path) -> None:
    """Write `out`, the sum of the parts."""
    factor_files.write(out, factor_files.join(parts))


if __name__ == "__main__":
    cli.run(merge)
