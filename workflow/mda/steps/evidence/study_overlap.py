"""Do different units have the same top samples?"""

from pathlib import Path

import pandas as pd

from mda.config import sections
from mda.evidence.studies import agreement
from mda.models import units
from mda.runtime import cli, files


def table(
    scores: list[Path],
    targets: list[Path],
    metrics: dict[str, str],
    window: sections.Window,
    fraction: float,
    confidence: float,
    out: Path,
) -> None:
    """Write `out`: `agreement.overlaps` of all targets, over the samples of the window."""
    members = units.written(targets)
    inside = {
        name: part[part["step"].between(window.start, window.stop - 1)]
        for path in scores
        for name, part in agreement.read(path, ("influence", "label")).items()
    }
    lines = agreement.overlaps(inside, members, metrics, fraction, confidence)
    files.write_text(out, pd.DataFrame(lines).to_csv(index=False, float_format="%.6g"))


if __name__ == "__main__":
    cli.run(table)
