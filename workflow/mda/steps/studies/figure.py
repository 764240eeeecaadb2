"""Draw a study from its table."""

from pathlib import Path

from mda.evidence import csv_tables
from mda.figures import style
from mda.runtime import cli
from mda.studies import figures


def draw(
    table: Path,
    study: str,
    names: dict[int, str],
    palette: style.Palette,
    width: float | None,
    dpi: int,
    out: list[Path],
) -> None:
    """Write the figure to every path of `out`; `names` has the checkpoints of a trace by their step."""
    style.use_width(width)
    found = csv_tables.read(table)
    if names and "variant" in found:
        called = {f"checkpoint-{step}": f"checkpoint-{name}" for step, name in names.items()}
        found = found.assign(variant=found["variant"].replace(called))
    elif names and "checkpoint" in found:
        found = found.assign(checkpoint=found["checkpoint"].replace(names))
    style.save(figures.draw(study, found, palette), out, dpi)


if __name__ == "__main__":
    cli.run(draw)
