"""Write the report of a trace: what was asked, what was found, and every figure and table."""

from pathlib import Path

from mda.config import strict_yaml
from mda.config.experiment import Config
from mda.evidence import rounding
from mda.models import units
from mda.report import asked, front_page, html_page, run_facts, trace_page, trace_results, trace_texts
from mda.runtime import cli, files


def write(
    configuration: Path,
    targets: Path,
    scores: Path,
    documents: list[Path],
    corpus: list[Path],
    samples: Path,
    train_rows: Path,
    agreement: list[Path],
    stored_gradients: list[Path],
    labels: list[Path],
    templates: list[Path],
    items: list[front_page.Item],
    benchmarks: str,
    logs: str,
    out: Path,
) -> None:
    """Write `out`, a page of HTML that needs no other file.

    `documents` with its `corpus`, `agreement` and `stored_gradients` are one table each, or none: of packed
    rows, of a single checkpoint, and where influence is computed by a pass. `samples` are those that the
    sample browser shows.
    `labels` are in the order of the targets. `templates` are the page's own, what it includes, and the
    captions; `items` is what it shows, in order. `benchmarks` and `logs` are names of folders, for what they
    hold changes with every run.
    """
    text = configuration.read_text(encoding="utf-8")
    read = strict_yaml.read(configuration)
    settings = Config.model_validate(read)
    members = {name: list(map(str, of)) for name, of in units.read_targets(targets).items()}
    told = trace_page.TOLD
    if documents:
        kind, ends = "documents", trace_results.of_documents(documents[0], len(members), told)
        ends = trace_texts.of_documents(ends, samples, train_rows, corpus[0])
    else:
        kind, ends = "rows", trace_texts.of_rows(trace_results.of_rows(scores, told), samples)
    scored = f"{next(iter(ends.values())).number:,} {kind}"
    page = html_page.render(
        templates[0],
        experiment=settings.experiment,
        kind=kind,
        scored=scored,
        facts=trace_page.facts(settings, scored) | run_facts.facts(Path(benchmarks), Path(logs)),
        asked=trace_page.asked(settings, members),
        findings=trace_page.found(
            settings,
            ends,
            {name: asked.spelled(of) for name, of in members.items()},
            scores,
            agreement[0] if agreement else None,
            stored_gradients[0] if stored_gradients else None,
            labels,
        ),
        share=f"{100 * settings.main_fraction:g}",
        groups=front_page.groups(items, out.parent, read),
        table="scores/documents.parquet" if documents else "scores/scores.parquet",
        configuration=text,
        number=rounding.number,
    )
    files.write_text(out, page)


if __name__ == "__main__":
    cli.run(write)
