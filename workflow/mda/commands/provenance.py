"""Say what made a file and from which inputs, back to the corpus.

It works on every result: Parquet, CSV, JSON, safetensors, NumPy, PNG, PDF, HTML, checkpoints and other
folders. It names the step with its parameters and the versions of packages. Below that it shows the inputs
as a tree: each with the step that made it, and whether it is still what was read then.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from itertools import groupby
from pathlib import Path

from mda.runtime import lineage
from mda.runtime.errors import printable
from mda.runtime.lineage import CHANGED, MISSING, UNCHANGED, Node

EXAMPLES = """\
examples:
  mda provenance results/tables/effects.csv
  mda provenance results/figures/emergence/induction-1.png --depth 2
  mda provenance results/base/checkpoints/step-000120 --all
"""

# Inputs of one kind that are listed; `--all` lists every one.
MOST = 3
WIDTH = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument("file", type=Path, help="a result: a file or a folder")
    parser.add_argument(
        "--depth", type=int, default=100, metavar="N", help="how many steps to go back; to the corpus without"
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="list every input, where a step reads many of a kind, and every parameter at full length",
    )


def main(given: argparse.Namespace) -> int:
    """Print the history; returns the exit status.

    Raises:
        UserError: when the file is missing or does not say what made it.
    """
    node = lineage.trace(given.file)
    assert node.record is not None
    print(printable(str(node.path)))
    print(f"  made by step {made_by(node)}")
    for title, values in (("parameters", node.record["parameters"]), ("packages", node.record["packages"])):
        print(f"  {title}:")
        for name, value in values.items():
            text = value if title == "packages" else json.dumps(value, ensure_ascii=False)
            text = text if given.all or len(text) <= WIDTH else f"{text[:WIDTH]}..."
            print(printable(f"    {name}: {text}"))
    print("\ninputs:" if node.inputs else "\nno inputs: it follows from its parameters alone")
    for line in tree(node, given.depth, given.all):
        print(printable(line))
    print(f"\n{verdict(node)}")
    return 0


def made_by(node: Node) -> str:
    """The step that made a node, in words."""
    record = node.record
    return f"{record['step']} (mda {record['mda']}, code {record['code']})" if record else "no step"


def tree(node: Node, depth: int, everything: bool, before: str = "") -> list[str]:
    """The lines of a node's inputs, and of theirs down to a depth."""
    if depth < 1:
        return []
    entries: list[tuple[Node | None, str]] = []
    for _, group in groupby(node.inputs, key=lambda child: child.role):
        mine = list(group)
        # What is not as it was is always listed.
        kept = [
            child
            for number, child in enumerate(mine)
            if everything or number < MOST or child.state != UNCHANGED or len(mine) == MOST + 1
        ]
        entries += [(child, described(child, expanded=depth > 1)) for child in kept]
        if len(kept) < len(mine):
            entries.append((None, f"{mine[0].role}: {len(mine) - len(kept)} more like these, all unchanged"))
    lines = []
    for number, (child, text) in enumerate(entries):
        last = number == len(entries) - 1
        lines.append(f"{before}{'└─ ' if last else '├─ '}{text}")
        if child is not None:
            lines += tree(child, depth - 1, everything, before + ("   " if last else "│  "))
    return lines


def described(node: Node, expanded: bool) -> str:
    """A node in a line; `expanded` says whether its inputs are listed, below it or at an earlier place."""
    parts = [node.state]
    if node.state not in (MISSING, lineage.ABSENT):
        parts.append(f"by {node.record['step']}" if node.record else "made by no step of this workflow")
    if expanded and node.again and node.record and node.record["inputs"]:
        parts.append("see above")
    told = ", ".join(parts)
    return f"{node.role}: {node.path} ({told})"


def verdict(node: Node) -> str:
    """Whether all that it comes from is still there and the same."""
    inputs = {(child.path, child.state) for child in node.all() if child is not node}
    states = Counter(state for _, state in inputs)
    if not states[CHANGED] and not states[MISSING]:
        return f"all {len(inputs)} files behind it are there, and what they were"
    parts = [f"{states[state]} {state}" for state in (CHANGED, MISSING) if states[state]]
    return f"of {len(inputs)} files behind it: {', '.join(parts)}; the rest is what it was"
