"""Schedules: what every intervention keeps and what it changes."""

import dataclasses

import numpy as np
import pyarrow.parquet as pq
import pytest

from mda.config import sections
from mda.runtime.errors import UserError
from mda.training import schedule

BASE = schedule.base(100, steps=10, batch_size=8, seed=0)
WINDOW = sections.Window(start=4, stop=10, branch=None)
STREAM = schedule.reordered(BASE, WINDOW, seed=1)
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
    assert np.array_equal(STREAM.row, schedule.reordered(BASE, WINDOW, seed=1).row)
    assert not np.array_equal(STREAM.row, schedule.reordered(BASE, WINDOW, seed=2).row)


def test_mask_changes_roles_only():
    masked = STREAM.changed(schedule.mask(STREAM, SELECTED))
    assert np.array_equal(masked.row, STREAM.row)
    assert rows_by_role(masked, schedule.MASKED) == sorted(SELECTED.tolist())


def test_replace_keeps_every_batch_full_and_the_rest_in_place():
    replaced = STREAM.changed(schedule.replace(STREAM, SELECTED, 1, WINDOW))
    assert np.array_equal(replaced.step, STREAM.step)
    assert not np.isin(replaced.row, SELECTED).any()
    changed = replaced.role == schedule.REPLACEMENT
    assert np.array_equal(changed, np.isin(STREAM.row, SELECTED))
    assert np.array_equal(replaced.row[~changed], STREAM.row[~changed])
    assert np.isin(replaced.row[changed], STREAM.row).all()
    assert len(set(replaced.row[changed].tolist())) == changed.sum()


def test_replace_needs_enough_other_rows():
    with pytest.raises(UserError, match="lower the fraction"):
        schedule.replace(STREAM, STREAM.row[:40], 1, WINDOW)


def test_insert_adds_and_moves_nothing():
    doubled = STREAM.changed(schedule.insert(STREAM, SELECTED, schedule.DUPLICATE, 1, WINDOW))
    assert rows_by_role(doubled, schedule.DUPLICATE) == sorted(SELECTED.tolist())
    kept = doubled.role == schedule.TRAIN
    assert np.array_equal(doubled.row[kept], STREAM.row)
    sizes = np.bincount(doubled.step)[4:]
    assert sizes.max() - sizes.min() <= 1
    for step in range(4, 10):
        slots = doubled.slot[doubled.step == step]
        assert slots.tolist() == list(range(len(slots)))


def test_insert_at_one_step_makes_updates_of_its_own():
    added = STREAM.changed(schedule.insert_at(np.arange(11), schedule.SYNTHETIC, 1, step=7, batch_size=4))
    (natural, roles), *inserted = added.at(7)
    assert np.array_equal(natural, STREAM.at(7)[0][0])
    assert (roles == schedule.TRAIN).all()
    assert [len(rows) for rows, _ in inserted] == [4, 4, 3]
    assert sorted(np.concatenate([rows for rows, _ in inserted])) == list(range(11))
    assert all((roles == schedule.SYNTHETIC).all() for _, roles in inserted)
    assert [len(added.at(step)) for step in range(4, 10)] == [1, 1, 1, 4, 1, 1]


def test_without_a_seed_rows_are_read_as_they_are_stored():
    assert schedule.base(100, 10, 8, None).row.tolist() == list(range(80))


@pytest.mark.parametrize("most", [None, 11])
def test_a_trace_lists_its_rows_in_pieces(monkeypatch, most):
    monkeypatch.setattr(schedule, "TOGETHER", 3)
    pieces = list(schedule.read_once(13, 4, most))
    assert max(len(piece.row) for piece in pieces) == 3
    whole = {name: np.concatenate([getattr(piece, name) for piece in pieces])
             for name in ("step", "slot", "row")}  # fmt: skip
    assert whole["row"].tolist() == list(range(most or 13))
    sizes = [4, 3, 3, 3] if most is None else [3, 3, 3, 2]
    assert whole["step"].tolist() == [step for step, size in enumerate(sizes) for _ in range(size)]
    assert whole["slot"].tolist() == [slot for size in sizes for slot in range(size)]
    with pytest.raises(UserError, match=r"trace\.jobs is 4, but there are only 3 rows"):
        next(schedule.read_once(3, 4))
    with pytest.raises(UserError, match=r"trace\.rows is 4, but the corpus has only 3 rows"):
        next(schedule.read_once(3, 2, 4))


def test_an_earlier_branching_step_keeps_the_base_order_before_the_window():
    early = sections.Window(start=4, stop=10, branch=2)
    stream = schedule.reordered(BASE, early, seed=1)
    assert np.array_equal(stream.between(2, 4).row, BASE.between(2, 4).row)
    assert np.array_equal(stream.between(4, 10).row, STREAM.row)
    for changes in (
        schedule.replace(stream, SELECTED, 1, early),
        schedule.insert(stream, SELECTED, schedule.DUPLICATE, 1, early),
        schedule.mask(stream, SELECTED),
    ):
        assert changes.step.min() >= 4
    inside = schedule.replace(STREAM, SELECTED, 1, WINDOW).row
    assert np.array_equal(schedule.replace(stream, SELECTED, 1, early).row, inside)


def test_a_schedule_survives_its_file(tmp_path):
    changes = schedule.mask(STREAM, SELECTED)
    changes = changes.join(schedule.insert(STREAM, SELECTED, schedule.DUPLICATE, 1, WINDOW))
    changes = changes.join(schedule.insert_at(np.arange(5), schedule.SYNTHETIC, 1, step=7, batch_size=4))
    STREAM.write(tmp_path / "order.parquet")
    changes.write(tmp_path / "changes.parquet")
    # Only what differs is stored.
    assert schedule.TRAIN not in schedule.Schedule.read(tmp_path / "changes.parquet").role
    again = schedule.read(tmp_path / "order.parquet", tmp_path / "changes.parquet")
    whole = STREAM.changed(changes)
    assert np.bincount(whole.role).tolist() == [len(STREAM.row) - 10, 10, 0, 10, 5]
    for column in ("step", "update", "slot", "row", "role"):
        assert np.array_equal(getattr(whole, column), getattr(again, column))


def test_changes_of_another_order_are_refused():
    longer = schedule.base(100, steps=10, batch_size=10, seed=0)
    with pytest.raises(UserError, match="of another order"):
        STREAM.changed(schedule.mask(longer, longer.row))


def test_changes_of_another_seed_are_refused(tmp_path):
    """Its places are the same."""
    other = schedule.reordered(BASE, WINDOW, seed=2)
    with pytest.raises(UserError, match="of another order"):
        STREAM.changed(schedule.mask(other, SELECTED))
    STREAM.write(tmp_path / "order.parquet")
    for changes in (
        schedule.replace(other, SELECTED, 1, WINDOW),
        schedule.insert(other, SELECTED, schedule.DUPLICATE, 1, WINDOW),
    ):
        changes.write(tmp_path / "changes.parquet", other)
        with pytest.raises(UserError, match=r"changes\.parquet: .* of another order; remove its file"):
            schedule.read(tmp_path / "order.parquet", tmp_path / "changes.parquet")
        changes.write(tmp_path / "changes.parquet", STREAM)
        schedule.read(tmp_path / "order.parquet", tmp_path / "changes.parquet")


def test_a_file_of_a_whole_stream_or_with_a_place_twice_is_no_file_of_changes():
    masked = schedule.mask(STREAM, SELECTED)
    with pytest.raises(UserError, match="has its whole stream"):
        STREAM.changed(STREAM.changed(masked))
    added = schedule.insert(STREAM, SELECTED, schedule.DUPLICATE, 1, WINDOW)
    for changes in (masked, added):
        with pytest.raises(UserError, match="has a place twice"):
            STREAM.changed(changes.join(changes))
    # Added in a place of the order.
    taken = dataclasses.replace(masked, role=np.full_like(masked.role, schedule.DUPLICATE))
    with pytest.raises(UserError, match="of another order"):
        STREAM.changed(taken)


@pytest.mark.parametrize(("first", "count"), [(0, 7), (5, 6), (13, 100), (0, 1000)])
def test_samples_of_a_written_schedule_are_its_part(tmp_path, monkeypatch, first, count):
    stream = schedule.base(100, 10, 10, 0)
    stream.write(tmp_path / "s.parquet")
    iterate = pq.ParquetFile.iter_batches
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", lambda self, **given: iterate(self, 7, **given))
    step, row = schedule.samples(tmp_path / "s.parquet", (3, 8), first, count)
    expected = stream.between(3, 8)
    assert np.array_equal(step, expected.step[first : first + count])
    assert np.array_equal(row, expected.row[first : first + count])


def test_a_swap_puts_other_rows_in_the_places_of_the_selected_ones():
    others = BASE.outside(4, 10).row
    swapped = STREAM.changed(schedule.swap(STREAM, SELECTED, others, seed=1))
    hit = np.isin(STREAM.row, SELECTED)
    assert np.array_equal(swapped.row[~hit], STREAM.row[~hit])
    assert set(swapped.row[hit]) <= set(others)
    assert len(set(swapped.row[hit])) == hit.sum()
    assert (swapped.role[hit] == schedule.REPLACEMENT).all()
    assert not np.array_equal(swapped.row[hit], schedule.swap(STREAM, SELECTED, others, seed=2).row)


def test_outside_is_every_other_step():
    outside = BASE.outside(4, 10)
    assert set(outside.step) == {0, 1, 2, 3}
    assert not set(outside.row) & set(BASE.between(4, 10).row)
