"""Find the units of all targets together."""

from pathlib import Path

from mda.models import units
from mda.runtime import cli, files


def find(scores: Path, rank_at: int, named: list[str], out: Path) -> None:
    """Write `out`: the units that these places, ranks and classes stand for, each once.

    Apart from the targets, for curvature and stored gradients depend on the units alone: another probe for
    the same units changes neither.
    """
    by_metric = units.read_scores(scores, rank_at)
    found = units.sorted_units(unit for name in named for unit in units.resolve([name], by_metric))
    files.write_json(out, {"units": [str(unit) for unit in found]})


if __name__ == "__main__":
    cli.run(find)
