"""Print the main numbers of finished results, the verdicts, and where to look next.

`mda run` ends with the same.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from mda.commands import results_folder, trace_summary
from mda.config import strict_yaml
from mda.evidence import csv_tables, finding, in_words, planned_tests
from mda.evidence.rounding import with_interval
from mda.runtime import files
from mda.runtime.errors import UserError, printable

EXAMPLES = """\
examples:
  mda summary                       the default experiment
  mda summary results/mine          the experiment `mine`
"""

# Outcomes of planned tests in words; the first is told of every cell.
OUTCOMES = {
    "formation_step": "steps later (+) or earlier (-)",
    "score_area": "mean metric over the window, higher (+) or lower (-)",
}
KINDS = {
    "replace": "remove, replaced",
    "mask": "remove, masked",
    "duplicate": "duplicate",
    "augment": "augment",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    results_folder.add(parser)


def main(given: argparse.Namespace) -> int:
    """Print the numbers; returns the exit status.

    Raises:
        UserError: when the folder has no finished results.
    """
    results = given.results
    written = results / "config.yaml"
    # Results of one goal may be without it.
    settings = strict_yaml.read(written) if written.is_file() else {}
    traced = settings.get("trace") is not None
    wanted = [results / "heads" / "targets.json", results / "tables" / "effects.csv"]
    missing = [path for path in (wanted[:1] if traced else wanted) if not path.is_file()]
    if missing:
        raise UserError(f"{missing[0]}: is not there, so nothing is finished here; run `mda run` first")
    if traced:
        trace_summary.tell(results, settings)
        return 0
    targets = files.read_json(wanted[0])["targets"]
    effects = csv_tables.read(wanted[1])
    for name, target in targets.items():
        print_target(results, name, target["units"], effects)
    findings = newest([results / "tables" / "findings.csv", results / "evidence" / "findings.csv"])
    if findings is not None:
        print_verdicts(csv_tables.read(findings), evidence=findings.parent.name == "evidence")
    print_places(results)
    return 0


def print_target(results: Path, name: str, units: list[str], effects: pd.DataFrame) -> None:
    """What the top samples of a target are, and what the interventions do to it."""
    print(f"\n{name} ({', '.join(units)})")
    labelled = results / "figures" / "labels" / f"{name}.csv"
    if labelled.is_file():
        shares = csv_tables.read(labelled)
        print(f"  labels of the top samples by influence: {labels(shares, f'influence-{name}')}")
        print(f"  labels of all samples of the window:    {labels(shares, 'all')}")
    mine = effects[effects["target"] == name]
    base = mine[(mine["intervention"] == "base") & (mine["outcome"] == "formation_step")].iloc[0]
    formed = f"forms at step {base['mean']:.0f}"
    if base["formed"] < 1:
        formed = f"forms in {base['formed']:.0%} of the base runs, the others count as formed at the end"
    print(f"  {formed} ({base['seeds']} seeds)")
    mine = mine[mine["intervention"] != "base"]
    marked = planned(mine, name)
    width = max((len(cell_name(line, name)) for line in mine.to_dict("records")), default=0)
    for outcome, words in OUTCOMES.items():
        # When it forms is told of every cell, another outcome of those alone that a planned test is of.
        of = mine[mine["outcome"] == outcome]
        of = of if outcome == "formation_step" else of[of.index.isin(marked)]
        if of.empty:
            continue
        print(f"  {words}:\n    {'':{width}}{'than the base':>26}{'than random':>26}")
        for place, line in zip(of.index, of.to_dict("records"), strict=True):
            told = f"{interval(line, 'to_base'):>26}{interval(line, 'to_random'):>26}"
            print(f"    {cell_name(line, name):{width}}{told}{' *' if place in marked else ''}")
    if marked:
        print("  * against random: what a planned test is of, whose verdict stands below")


def planned(mine: pd.DataFrame, target: str) -> list[int]:
    """Which lines of a target's effects the planned tests are of."""
    own = mine[mine["selection"] == f"influence-{target}"]
    if own.empty:
        return []
    fractions = own["fraction"].unique()
    own = own[own["fraction"] == min(fractions, key=lambda fraction: abs(fraction - 0.1))]
    found = []
    for test in planned_tests.TESTS.values():
        for kind in test.kinds:
            lines = own[(own["intervention"] == kind) & (own["outcome"] == test.outcome)]
            if len(lines):
                found.append(int(lines.index[0]))
                break
    return found


def newest(paths: list[Path]) -> Path | None:
    """The youngest of the files that exist."""
    return max(
        (path for path in paths if path.is_file()), key=lambda path: path.stat().st_mtime, default=None
    )


def print_verdicts(found: pd.DataFrame, evidence: bool) -> None:
    """Every verdict with what was measured, the planned tests first.

    Findings that only the studies test are counted, where the studies have not been run.

    Args:
        evidence: whether the studies have been run.
    """
    for target, mine in found.groupby("target", sort=False):
        planned = mine["finding"].isin(planned_tests.TESTS)
        tested = mine["verdict"] != finding.NOT_RUN
        listed = pd.concat([mine[planned], mine[~planned & (tested | evidence)]])
        if listed.empty:
            continue
        print(f"\nfindings on {target} (the planned tests first)")
        for line in listed.to_dict("records"):
            print(f"  {line['verdict']:21}{line['claim']}\n{'':23}{measured(line)}")
        rest = len(mine) - len(listed)
        if rest:
            print(f"  {rest} more were not run: they need the studies")


def measured(line: dict) -> str:
    """What was measured of a finding, beside the published figure."""
    told = "not measured"
    if not pd.isna(line["value"]):
        told = f"{with_interval(line['value'], line['low'], line['high'], '+')} {line['unit']}"
    note = printable(f"; {line['note']}") if line["note"] else ""
    power = in_words.power(line)
    published = f"; published: {line['published']}" if line["published"] else ""
    return f"{told}{note}{'; ' if power else ''}{power}{published}"


def print_places(results: Path) -> None:
    """Where to look, and what to do next."""
    places = {
        "report": results / "report.html",
        "studies": results / "evidence.html",
        "samples": results / "samples" / "index.html",
        "tables": results / "tables",
        "figures": results / "figures",
    }
    print()
    for name, path in places.items():
        if path.exists():
            print(f"{name + ':':9}{path}")
    print(f"\nnext: {next_step(results)}")


def next_step(results: Path) -> str:
    """What to do next, in a sentence."""
    if not (results / "report.html").is_file():
        return "make the report with `mda run`"
    browser = results / "samples" / "index.html"
    look = f"open {results / 'report.html'} in a browser"
    if browser.is_file():
        look += f", and {browser} to read the samples token by token"
    if (results / "evidence.html").is_file():
        return f"{look}; then trace your own text or model: README.md shows how"
    return f"{look}; then `mda run evidence` tests every published finding (name the same --configfile again)"


def cell_name(line: dict, target: str) -> str:
    """A cell in words, e.g. 'remove, replaced: influence 10 %'."""
    selection = line["selection"]
    if selection == f"influence-{target}":
        selection = "influence"
    elif selection.startswith("influence-"):
        selection = selection.replace("influence-", "influence on ", 1)
    return f"{KINDS[line['intervention']]}: {selection} {100 * line['fraction']:g} %"


def labels(shares: pd.DataFrame, selection: str) -> str:
    """The labels of a selection with their shares, the largest first."""
    mine = shares[shares["selection"] == selection].sort_values("share", ascending=False)
    return ", ".join(
        f"{100 * line.share:.0f} % {printable(' '.join(line.label.split()))}" for line in mine.itertuples()
    )


def interval(line: dict, name: str) -> str:
    """A difference with its interval, or a dash."""
    if pd.isna(line[name]):
        return "-"
    digits = ".1f" if line["outcome"] == "formation_step" else ".3f"
    if pd.isna(line[f"{name}_low"]):
        return f"{line[name]:+{digits}} ({'one seed' if line['seeds'] == 1 else 'in every seed'})"
    return f"{line[name]:+{digits}} [{line[f'{name}_low']:+{digits}}, {line[f'{name}_high']:+{digits}}]"
