"""Write the report: findings with their verdicts, and every figure and table."""

from pathlib import Path

from mda.config import strict_yaml
from mda.config.experiment import Config
from mda.evidence import csv_tables
from mda.models import units
from mda.report import asked, front_page, headlines, html_page, run_facts, table_view, trace_results
from mda.runtime import cli, files


def write(
    findings: Path,
    configuration: Path,
    targets: Path,
    templates: list[Path],
    items: list[front_page.Item],
    benchmarks: str,
    logs: str,
    complete: bool,
    checkpoints: bool,
    out: Path,
) -> None:
    """Write `out`, a page of HTML that needs no other file.

    `templates` are the page's own, what it includes, and the captions; `items` is what it shows, in
    order; `complete` says whether the studies are among it, and `checkpoints` whether there is a browser of
    all samples at several checkpoints. `benchmarks` and `logs` are names of folders,
    for what they hold changes with every run.
    """
    text = configuration.read_text(encoding="utf-8")
    read = strict_yaml.read(configuration)
    settings = Config.model_validate(read)
    members = {name: list(map(str, of)) for name, of in units.read_targets(targets).items()}
    found, confidence = csv_tables.read(findings), f"{100 * settings.evidence.confidence:g}"
    page = html_page.render(
        templates[0],
        experiment=settings.experiment,
        facts=front_page.facts(settings, members) | run_facts.facts(Path(benchmarks), Path(logs)),
        labels=_labels(items),
        kinds_of_document=asked.kinds_of_document(settings),
        share=f"{100 * settings.main_fraction:g}",
        seeds=len(settings.experiments.seeds),
        headlines=headlines.headlines(found, items, confidence),
        findings=front_page.findings(found, [item.path.relative_to(out.parent).as_posix() for item in items]),
        kept=findings.relative_to(out.parent).as_posix(),
        download=table_view.download(findings),
        groups=front_page.groups(items, out.parent, read),
        confidence=confidence,
        level=f"{1 - settings.evidence.confidence:g}",
        complete=complete,
        checkpoints=checkpoints,
        configuration=text,
    )
    files.write_text(out, page)


def _labels(items: list[front_page.Item]) -> dict[str, dict[str, str]]:
    """Of each target whose figure of labels is shown, what its numbers say in words."""
    drawn = {
        item.labels["target"]: item.path.with_suffix(".csv") for item in items if item.rule == "plot_labels"
    }
    return {target: trace_results.of_labels(path, target) for target, path in drawn.items()}


if __name__ == "__main__":
    cli.run(write)
