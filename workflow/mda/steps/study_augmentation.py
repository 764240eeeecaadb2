"""New samples with the top ones' structure, against as many random and repeated ones, at every scale."""

from pathlib import Path

import pandas as pd

from mda import cli, files

CELLS = ("augment", "duplicate")


def table(effects: list[Path], experiments: list[str], fraction: float, out: Path) -> None:
    """Write `out`: the effects of the insertions at one fraction, with `experiment` before them."""
    parts = []
    for name, path in zip(experiments, effects, strict=True):
        found = pd.read_csv(path)
        own = found["selection"].isin(["random"]) | (found["selection"] == "influence-" + found["target"])
        inserted = found["intervention"].isin(CELLS) & (found["fraction"] == fraction) & own
        wanted = found[inserted | (found["intervention"] == "base")]
        wanted.insert(0, "experiment", name)
        parts.append(wanted)
    files.write_text(out, pd.concat(parts).to_csv(index=False, float_format="%.6g"))


if __name__ == "__main__":
    cli.run(table)
