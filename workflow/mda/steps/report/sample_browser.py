"""Write the page to look at the samples of highest and lowest influence."""

from pathlib import Path

from mda.models import units
from mda.report import browser
from mda.runtime import cli, files


def write(
    tokens: Path,
    targets: Path,
    templates: list[Path],
    experiment: str | None,
    checkpoint: int,
    strategy: str,
    out: Path,
) -> None:
    """Write `out`: the samples of `tokens` as a page of HTML that needs no other file.

    `templates` are the page's own and what it includes.
    """
    samples = [browser.sample(line) for line in files.read_table(tokens).to_pylist()]
    facts = {
        "experiment": experiment,
        "checkpoint": checkpoint,
        "strategy": strategy,
        "units": {name: list(map(str, members)) for name, members in units.read_targets(targets).items()},
    }
    files.write_text(out, browser.page(templates[0], samples, facts))


if __name__ == "__main__":
    cli.run(write)
