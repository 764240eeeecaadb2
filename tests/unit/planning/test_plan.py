"""Warnings of a plan that is too fine or too coarse name a number that gives none."""

import re

import pytest

from mda.config.consistency import check
from mda.planning import plan
from mda.runtime.errors import UserError


@pytest.mark.parametrize(
    ("size", "samples", "batch", "context", "complaint"),
    [
        (1, 100_000, 8, 2048, "too fine"),
        (63, 1000, 8, 2048, "too fine"),
        (64, 1000, 8, 2048, None),
        (1000, 1000, 8, 2048, None),
        (40, 40, 8, 2048, None),
        (5000, 5000, 1024, 32, None),
        (65_536, 1_024_000, 8, 2048, None),
        (1_024_000, 1_024_000, 8, 2048, "too coarse"),
        (5_000_000, 1_024_000, 8, 2048, "too coarse"),
        (100, 10_000_000, 8, 2048, "too fine"),
    ],
)
def test_what_is_said(size, samples, batch, context, complaint):
    said = plan.warning("key", size, samples, batch, context)
    assert (said is None) == (complaint is None), said
    if said is not None:
        assert complaint in said
        better, jobs = map(int, re.search(r"; (\d+) makes (\d+)", said).groups())
        assert jobs == -(-samples // better)
        assert plan.warning("key", better, samples, batch, context) is None


def test_the_default_is_neither(default):
    assert plan.warnings(check(default)) == []


def test_the_setting_is_named(override):
    [said] = plan.warnings(check(override("attribution.samples_per_shard", 10)))
    assert said.startswith("attribution.samples_per_shard 10")
    [said] = plan.warnings(check(override("attribution.fit.samples_per_part", 10)))
    assert said.startswith("attribution.fit.samples_per_part 10")


def test_a_table_that_cannot_be_read_is_told(default, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("id,text\n1,a\n")
    table = {"path": str(path), "text": "body", "label": None}
    default["corpus"] |= {"source": "jsonl", "table": table}
    with pytest.raises(UserError, match=r"mine\.csv: line 1 is not JSON"):
        plan.read_first(check(default))
    path.write_text('{"body": " "}\n')
    with pytest.raises(UserError, match="source 'jsonl' gives no document with a text; check its"):
        plan.read_first(check(default))
    path.write_text('{"body": "a"}\n' * plan.FIRST_DOCUMENTS + "later\n")
    plan.read_first(check(default))
