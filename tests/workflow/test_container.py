"""Every rule names the image and runs its command in it, with a stand-in for apptainer."""

import sys
from pathlib import Path

import pytest
from project import Project

pytestmark = pytest.mark.slow

STAND_IN = """#!/bin/sh
if [ "$1" = --version ]; then echo apptainer version 1.3.0; exit; fi
while [ "${1%.sif}" = "$1" ]; do shift; done
echo "$1" >>NOTED
shift
exec "$@"
"""


def test_rules_run_in_the_image(tmp_path, monkeypatch):
    project = Project.make(tmp_path / "project")
    (project.folder / "envs" / "mda.sif").touch()
    noted, program = tmp_path / "noted", tmp_path / "bin" / "apptainer"
    program.parent.mkdir()
    program.write_text(STAND_IN.replace("NOTED", str(noted)))
    program.chmod(0o755)
    # The image has a Python of its own.
    monkeypatch.setenv("PATH", f"{program.parent}:{Path(sys.executable).parent}:/usr/bin:/bin")
    project.snakemake(
        "results/tokens/tokenizer.json", "results/schedules/order.parquet", "--sdm", "apptainer"
    )
    images = noted.read_text().split()
    # corpus, tokenizer, tokens, order
    assert len(images) == 4
    assert {Path(image).name for image in images} == {"mda.sif"}
