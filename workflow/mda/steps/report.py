"""Write the report: findings with their verdicts, and every figure and table."""

from pathlib import Path

import yaml

from mda import cli, files, pages, report_page, units
from mda.config import Config


def write(
    findings: Path,
    configuration: Path,
    targets: Path,
    template: Path,
    items: list[report_page.Item],
    complete: bool,
    out: Path,
) -> None:
    """Write `out`, a page of HTML that needs no other file.

    `items` is what it shows, in order; `complete` says whether the studies are among it.
    """
    text = configuration.read_text(encoding="utf-8")
    read = yaml.safe_load(text)
    settings = Config.model_validate(read)
    members = {name: list(map(str, of)) for name, of in units.read_targets(targets).items()}
    page = pages.render(
        template,
        experiment=settings.experiment,
        facts=report_page.facts(settings, members),
        findings=report_page.findings(files.read_csv(findings)),
        groups=report_page.groups(items, out.parent, read),
        confidence=f"{100 * settings.evidence.confidence:g}",
        complete=complete,
        configuration=text,
    )
    files.write_text(out, page)


if __name__ == "__main__":
    cli.run(write)
