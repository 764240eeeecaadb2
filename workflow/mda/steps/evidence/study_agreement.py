"""Hold variants of the attribution against the configured one."""

from pathlib import Path

import pandas as pd

from mda.evidence.studies import agreement
from mda.runtime import cli, files


def table(
    configured: Path, variants: list[Path], names: list[str], fraction: float, confidence: float, out: Path
) -> None:
    """Write `out`: `agreement.variants` of the tables of scores `variants`, called `names`."""
    others = {name: agreement.read(path) for name, path in zip(names, variants, strict=True)}
    lines = agreement.variants(agreement.read(configured), others, fraction, confidence)
    files.write_text(out, pd.DataFrame(lines).to_csv(index=False, float_format="%.6g"))


if __name__ == "__main__":
    cli.run(table)
