"""Join the parts of Λ."""

from pathlib import Path

from mda import cli, fitting


def merge(parts: list[Path], out: Path) -> None:
    """Write `out`, the sum of the parts."""
    fitting.write(out, fitting.join(parts))


if __name__ == "__main__":
    cli.run(merge)
