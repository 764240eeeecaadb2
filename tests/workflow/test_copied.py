"""Results that were copied or moved: what they say of what made them decides, whatever their dates are."""

import os
import shutil
import time
from collections import Counter

import pytest

pytestmark = pytest.mark.slow


def without_records(project, folder):
    """A copy without Snakemake's records, every file with a date of its own, some in the future."""
    copied = project.copy(folder)
    shutil.rmtree(copied.folder / ".snakemake")
    now = time.time()
    for number, path in enumerate(sorted(copied.results.rglob("*"))):
        date = now + 3600 - 37 * (number * 7919 % 1000)
        os.utime(path, (date, date))
    return copied


def test_without_records_and_dates(finished, tmp_path):
    project = without_records(finished, tmp_path / "project")
    assert project.planned() == Counter()


def test_moved(finished, tmp_path):
    project = finished.copy(tmp_path / "project")
    (tmp_path / "deeper" / "still").mkdir(parents=True)
    project.folder = project.folder.rename(tmp_path / "deeper" / "still" / "project")
    assert project.planned() == Counter()
