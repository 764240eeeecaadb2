"""On a corpus without catalysts, how often is an effect seen?"""

from pathlib import Path

import pandas as pd

from mda.evidence.studies import recovery
from mda.runtime import cli, files


def table(effects: Path, confidence: float, out: Path) -> None:
    """Write `out`: `mda.evidence.studies.recovery.false_positives`."""
    found = recovery.false_positives(files.read_csv(effects), confidence)
    lines = pd.DataFrame(found, columns=recovery.FALSE_POSITIVES)
    files.write_text(out, lines.to_csv(index=False, float_format="%.6g"))


if __name__ == "__main__":
    cli.run(table)
