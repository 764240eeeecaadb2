"""A project of its own for a test: the workflow, a tiny configuration, and ways to run and change it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
OWN_PROBE = """
def previous(model, tokens, heads):
    attentions = model(tokens, output_attentions=True).attentions
    return sum(attentions[head.layer][:, head.number].diagonal(-1, -2, -1).sum() for head in heads)
"""
# A training of some seconds, for tests that stop it at work, and what it makes.
LONGER = {
    "corpus.synthetic.documents": 8000,
    "run.steps": 400,
    "run.checkpoints": [0, 200, 400],
    "run.window": {"start": 2, "stop": 400},
    "attribution.checkpoint": 200,
    "attribution.rank_at": 400,
}
BASE_RUN = "results/base/steps.parquet"
SOURCES = ("Snakefile", "config.yaml", "workflow", "profiles", "slurm", "envs")


@dataclass
class Project:
    """A folder with the workflow, a tiny configuration, and perhaps results.

    `python` runs all of it: an ordinary one, or a warm one (see `warm`).
    """

    folder: Path
    python: str = sys.executable

    @classmethod
    def make(cls, folder: Path, python: str = sys.executable) -> Project:
        folder.mkdir()
        for name in SOURCES:
            source = ROOT / name
            if source.is_symlink():
                (folder / name).symlink_to(source.readlink())
            elif source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, folder / name)
        shutil.copy2(ROOT / "tests" / "tiny.yaml", folder / "tiny.yaml")
        (folder / "own_probe.py").write_text(OWN_PROBE)
        return cls(folder, python)

    def train_longer(self) -> None:
        """Take `LONGER` into the configuration."""
        for key, value in LONGER.items():
            self.configure(key, value)

    def copy(self, folder: Path) -> Project:
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder, self.python)

    def command(self, *arguments: str) -> list[str]:
        program = [self.python, "-m", "snakemake", "--profile", "profiles/local"]
        return [*program, *arguments, "--configfile", "tiny.yaml"]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "COLUMNS": "200"}

    def snakemake(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert not check or done.returncode == 0, done.stdout[-6000:]
        return done

    def make_all(self) -> subprocess.CompletedProcess[str]:
        """What `make demo` runs, on the tiny configuration; its Python is warm already."""
        return subprocess.run(
            [self.python, "workflow/mda", "run", "--cold", "--configfile", "tiny.yaml"],
            cwd=self.folder,
            env=self.environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def planned(self, *arguments: str) -> Counter[str]:
        """The jobs that would run now, by rule."""
        output = self.snakemake("--dry-run", *arguments).stdout
        if "Nothing to be done" in output:
            return Counter()
        table = output[output.index("Job stats:") :]
        counts = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}
        assert counts.pop("total") == sum(counts.values())
        return Counter(counts)

    def configure(self, place: str, value: Any) -> None:
        """Set a dotted key of the tiny configuration."""
        path = self.folder / "tiny.yaml"
        config = yaml.safe_load(path.read_text())
        section = config
        *parents, last = place.split(".")
        for key in parents:
            section = section.setdefault(key, {})
        section[last] = value
        path.write_text(yaml.safe_dump(config))

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    @property
    def results(self) -> Path:
        return self.folder / "results"
