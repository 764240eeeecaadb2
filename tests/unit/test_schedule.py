"""Schedules: what every intervention keeps and what it changes."""

import numpy as np
import pytest

from mda import schedule
from mda.errors import UserError

BASE = schedule.base(100, steps=10, batch_size=8, seed=0)
STREAM = schedule.branch(BASE, 4, 10, seed=1)
SELECTED = STREAM.row[5:15]


def rows_by_role(stream, role):
    return sorted(stream.row[stream.role == role].tolist())


def test_base_reads_no_row_twice_and_fills_every_step():
    assert len(set(BASE.row.tolist())) == 80
    assert np.bincount(BASE.step).tolist() == [8] * 10


def test_too_few_rows_is_one_sentence():
    with pytest.raises(UserError, match="reads 10 x 11 = 110 rows, but the training store has 100"):
        schedule.base(100, 10, 11, 0)


def test_branch_is_the_window_in_another_order():
    window = BASE.between(4, 10)
    assert sorted(STREAM.row) == sorted(window.row)
    assert not np.array_equal(STREAM.row, window.row)
    assert np.array_equal(STREAM.row, schedule.branch(BASE, 4, 10, seed=1).row)
    assert not np.array_equal(STREAM.row, schedule.branch(BASE, 4, 10, seed=2).row)


def test_mask_changes_roles_only():
    masked = schedule.mask(STREAM, SELECTED)
    assert np.array_equal(masked.row, STREAM.row)
    assert rows_by_role(masked, schedule.MASKED) == sorted(SELECTED.tolist())


def test_replace_keeps_every_batch_full_and_the_rest_in_place():
    replaced = schedule.replace(STREAM, SELECTED, seed=1)
    assert np.array_equal(replaced.step, STREAM.step)
    assert not np.isin(replaced.row, SELECTED).any()
    changed = replaced.role == schedule.REPLACEMENT
    assert np.array_equal(changed, np.isin(STREAM.row, SELECTED))
    assert np.array_equal(replaced.row[~changed], STREAM.row[~changed])
    assert np.isin(replaced.row[changed], STREAM.row).all()
    assert len(set(replaced.row[changed].tolist())) == changed.sum()


def test_replace_needs_enough_other_rows():
    with pytest.raises(UserError, match="lower the fraction"):
        schedule.replace(STREAM, STREAM.row[:40], seed=1)


def test_insert_adds_and_moves_nothing():
    doubled = schedule.insert(STREAM, SELECTED, schedule.DUPLICATE, seed=1)
    assert rows_by_role(doubled, schedule.DUPLICATE) == sorted(SELECTED.tolist())
    kept = doubled.role == schedule.TRAIN
    assert np.array_equal(doubled.row[kept], STREAM.row)
    sizes = np.bincount(doubled.step)[4:]
    assert sizes.max() - sizes.min() <= 1
    for step in range(4, 10):
        slots = doubled.slot[doubled.step == step]
        assert slots.tolist() == list(range(len(slots)))


def test_insert_at_one_step():
    added = schedule.insert(STREAM, np.arange(5), schedule.SYNTHETIC, seed=1, at_step=7)
    rows, roles = added.at(7)
    assert sorted(rows[roles == schedule.SYNTHETIC]) == [0, 1, 2, 3, 4]
    assert len(rows) == 13


def test_a_schedule_survives_its_file(tmp_path):
    stream = schedule.insert(schedule.mask(STREAM, SELECTED), SELECTED, schedule.DUPLICATE, seed=1)
    stream.write(tmp_path / "s.parquet")
    again = schedule.Schedule.read(tmp_path / "s.parquet")
    for column in ("step", "slot", "row", "role"):
        assert np.array_equal(getattr(stream, column), getattr(again, column))
