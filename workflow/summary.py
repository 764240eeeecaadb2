"""Print the main numbers of finished results, and where to look next."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd

from mda.runtime import files
from mda.runtime.errors import printable

KINDS = {
    "replace": "remove, replaced",
    "mask": "remove, masked",
    "duplicate": "duplicate",
    "augment": "augment",
}


def main(results: Path) -> None:
    """Summarize the results in a folder."""
    targets = json.loads((results / "heads" / "targets.json").read_text(encoding="utf-8"))["targets"]
    effects = files.read_csv(results / "tables" / "effects.csv")
    for name, target in targets.items():
        shares = files.read_csv(results / "figures" / "labels" / f"{name}.csv")
        print(f"\n{name} ({', '.join(target['units'])})")
        print(f"  labels of the top samples by influence: {labels(shares, f'influence-{name}')}")
        print(f"  labels of all samples of the window:    {labels(shares, 'all')}")
        mine = effects[(effects["target"] == name) & (effects["outcome"] == "formation_step")]
        base = mine[mine["intervention"] == "base"].iloc[0]
        formed = f"forms at step {base['mean']:.0f}"
        if base["formed"] < 1:
            formed = f"forms in {base['formed']:.0%} of the base runs, the others count as formed at the end"
        print(f"  {formed} ({base['seeds']} seeds); steps later (+) or earlier (-):")
        lines = mine[mine["intervention"] != "base"].to_dict("records")
        cells = [cell_name(line, name) for line in lines]
        width = max(map(len, cells))
        print(f"    {'':{width}}{'than the base':>26}{'than random':>26}")
        for cell, line in zip(cells, lines, strict=True):
            print(f"    {cell:{width}}{interval(line, 'to_base'):>26}{interval(line, 'to_random'):>26}")
    verdicts(results / "evidence" / "findings.csv")
    print(f"\nreport:  {results / 'report.html'}")
    if (results / "evidence.html").is_file():
        print(f"studies: {results / 'evidence.html'}")
    print(f"tables:  {results / 'tables'}\nfigures: {results / 'figures'}")


def verdicts(path: Path) -> None:
    """Print the verdict on every finding, if the studies were asked for."""
    if not path.is_file():
        return
    for target, mine in files.read_csv(path).groupby("target", sort=False):
        print(f"\nfindings on {target}")
        for line in mine.itertuples():
            print(f"  {line.verdict:16}{line.claim}")


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
    if pd.isna(line[f"{name}_low"]):
        return f"{line[name]:+.1f} ({'one seed' if line['seeds'] == 1 else 'in every seed'})"
    return f"{line[name]:+.1f} [{line[f'{name}_low']:+.1f}, {line[f'{name}_high']:+.1f}]"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
