"""What the cluster run of the tiny configuration costs over the sum of its jobs' own times.

    python tests/slurm/overhead.py /tmp/overhead        # an empty or new folder; a quarter of an hour

Each line is a run from nothing on a cluster of its own on this machine, by the profile as it is shipped but
for the setting named; docs/benchmarks.md explains the columns.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from slurm.cluster import Cluster
from slurm.conftest import ClusterProject

SETTINGS = {
    "20 (shipped)": ((), False),
    "5": (("--slurm-init-seconds-before-status-checks", "5"), False),
    "1, and every second": (("--slurm-init-seconds-before-status-checks", "1"), True),
}


class ShippedProject(ClusterProject):
    """A project that runs by the profile as it is, or with the given options only."""

    options: tuple[str, ...] = ()
    every_second = False

    def command(self, *arguments: str) -> list[str]:
        return ["snakemake", "--profile", "slurm", *self.options, *arguments, "--configfile", "tiny.yaml"]

    def environment(self) -> dict[str, str]:
        found = super().environment()
        if not self.every_second:
            found.pop("PYTHONPATH")
        return found


def measure(project: ShippedProject) -> dict[str, float]:
    """Seconds of one run from nothing: its wall time, and where it went."""
    began = time.monotonic()
    if project.start().wait():
        raise SystemExit(f"the run failed; see {project.folder / 'output.txt'}")
    wall = time.monotonic() - began
    rows = project.accounted()
    spans = sorted((datetime.fromisoformat(row["Start"]), datetime.fromisoformat(row["End"])) for row in rows)
    busy, latest = 0.0, spans[0][0]
    for start, end in spans:
        busy += max(0.0, (end - max(start, latest)).total_seconds())
        latest = max(latest, end)
    remote = {row["rule"] for row in rows}
    own = 0.0
    for path in (project.results / "benchmarks").rglob("*.jsonl"):
        if path.relative_to(project.results / "benchmarks").with_suffix("").parts[0] in remote:
            own += json.loads(path.read_text().splitlines()[-1])["s"]
    return {
        "jobs": len(rows),
        "own": own,
        "slurm": sum((end - start).total_seconds() for start, end in spans),
        "wall": wall,
        "idle": wall - busy,
    }


def main(folder: Path) -> None:
    """Print a table of Markdown."""
    print("| look at jobs after s | jobs | own s | in SLURM s | wall s | wall / own | nothing runs s |")
    print("|---|---|---|---|---|---|---|", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    cluster = Cluster(folder / "lab", port=26800 + 20 * (os.getpid() % 100))
    cluster.start()
    try:
        for number, (setting, (options, every_second)) in enumerate(SETTINGS.items()):
            project = ShippedProject.make(folder / f"run{number}")
            project = ShippedProject(project.folder)
            project.on(cluster)
            project.options, project.every_second = options, every_second
            found = measure(project)
            print(
                f"| {setting} | {found['jobs']:.0f} | {found['own']:.0f} | {found['slurm']:.0f} "
                f"| {found['wall']:.0f} | {found['wall'] / found['own']:.2f} | {found['idle']:.0f} |",
                flush=True,
            )
    finally:
        cluster.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
