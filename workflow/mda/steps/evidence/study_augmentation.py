"""New samples with the top ones' structure, against as many random and repeated ones; in other runs too."""

from pathlib import Path

import pandas as pd

from mda.evidence import effect_table
from mda.runtime import cli, files

CELLS = ("augment", "duplicate")


def table(
    effects: list[Path],
    outcomes: list[Path],
    experiments: dict[str, str],
    fraction: float,
    confidence: float,
    out: Path,
) -> None:
    """Write `out`: the effects of the insertions at one fraction, with `role` and `experiment` before them.

    `experiments` are role -> name: 'own', and those that have this one's motifs.

    The columns `to_duplicates`... are the difference, paired by seed, of new samples to as many duplicates
    of the same selection; see `evidence.compare`.
    """
    parts = []
    for (role, name), path, runs in zip(experiments.items(), effects, outcomes, strict=True):
        found = _against_duplicates(files.read_csv(path), files.read_csv(runs), confidence)
        own = found["selection"].isin(["random"]) | (found["selection"] == "influence-" + found["target"])
        inserted = found["intervention"].isin(CELLS) & (found["fraction"] == fraction) & own
        wanted = found[inserted | (found["intervention"] == "base")]
        wanted.insert(0, "experiment", name)
        wanted.insert(0, "role", role)
        parts.append(wanted)
    files.write_text(out, pd.concat(parts).to_csv(index=False, float_format="%.6g"))


def _against_duplicates(effects: pd.DataFrame, outcomes: pd.DataFrame, confidence: float) -> pd.DataFrame:
    runs = outcomes.set_index(["target", *effect_table.CELL]).sort_index()
    lines = []
    for line in effects.itertuples():
        new, same = ((line.target, kind, line.selection, line.fraction) for kind in ("augment", "duplicate"))
        known = line.intervention == "augment" and same in runs.index
        one, two = (runs.loc[[new]], runs.loc[[same]]) if known else (runs, None)
        lines.append(effect_table.compare(one, two, line.outcome, "to_duplicates", confidence))
    return pd.concat([effects, pd.DataFrame(lines, index=effects.index)], axis=1)


if __name__ == "__main__":
    cli.run(table)
