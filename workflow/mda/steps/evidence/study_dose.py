"""How the effect grows with the share of samples, and the smallest share that has one."""

from pathlib import Path

import numpy as np

from mda.evidence import effect_table
from mda.runtime import cli, files


def table(effects: Path, curves: dict[str, list[str]], confidence: float, out: Path) -> None:
    """Write `out`: the lines of `effects` of these kinds and their methods (`curves`), and `smallest`.

    `smallest` is `effect_table.smallest_fraction` of the line's selection; empty where none has an effect.
    """
    found = files.read_csv(effects)
    method = found["selection"].str.partition("-")[0]
    own = (method != "influence") | (found["selection"] == "influence-" + found["target"])
    kinds = zip(found["intervention"], method, strict=True)
    found = found[own & np.array([by in curves.get(kind, []) for kind, by in kinds], dtype=bool)]
    keys = ["target", "outcome", "intervention", "selection"]
    smallest = {key: effect_table.smallest_fraction(part, confidence) for key, part in found.groupby(keys)}
    found = found.assign(smallest=[smallest[key] for key in found[keys].itertuples(index=False, name=None)])
    files.write_text(out, found.to_csv(index=False, float_format="%.6g"))


if __name__ == "__main__":
    cli.run(table)
