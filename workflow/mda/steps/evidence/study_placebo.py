"""How often do runs that were treated at random seem to differ?"""

from pathlib import Path

import pandas as pd

from mda.evidence import effect_table
from mda.evidence.studies import placebo
from mda.runtime import cli, files


def table(curves: Path, pairs: int, threshold: float, seed: int, confidence: float, out: Path) -> None:
    """Write `out`: `placebo.false_findings`, a line a target and outcome of the runs in `curves`."""
    found = effect_table.outcomes(files.read_table(curves).to_pandas(), threshold)
    lines = []
    for target, mine in found.groupby("target", sort=False):
        for outcome in placebo.OUTCOMES:
            runs = mine.pivot(index="selection", columns="seed", values=outcome).to_numpy()
            line = placebo.false_findings(runs, pairs, seed, confidence)
            lines.append({"target": target, "outcome": outcome, **line})
    files.write_text(out, pd.DataFrame(lines).to_csv(index=False, float_format="%.6g"))


if __name__ == "__main__":
    cli.run(table)
