"""Finished work beside its outputs, until these are accepted."""

import errno
import os

import pyarrow as pa
import pytest

from mda.runtime import files, parquet, saves


@pytest.fixture
def job(tmp_path):
    """The folder of a job's saves and its outputs."""
    files.set_made_by({"step": "one"})
    yield tmp_path / "resume" / "run" / "key", [tmp_path / "a.parquet", tmp_path / "folder"]
    files.set_made_by({})


def finish(folder, outputs):
    (folder / "step-4").mkdir(parents=True)
    (folder.parent / "other").mkdir()
    (folder / ".lock").touch()
    with saves.finishing(folder, outputs) as (table, made):
        parquet.write_table(table, pa.table({"x": [1]}))
        made.mkdir()
        (made / "b").write_text("x")


def test_the_outputs_are_links_and_other_saves_go_away(job):
    folder, outputs = job
    finish(folder, outputs)
    assert outputs[0].stat().st_nlink == (outputs[1] / "b").stat().st_nlink == 2
    assert {path.name for path in folder.iterdir()} == {".lock", "finished"}
    assert [path.name for path in folder.parent.iterdir()] == ["key"]


def test_what_is_deleted_or_half_there_is_put_there_again(job):
    folder, outputs = job
    finish(folder, outputs)
    outputs[0].unlink()
    (outputs[1] / "b").unlink()
    assert saves.take_up(folder, outputs)
    assert parquet.read_table(outputs[0]).to_pydict() == {"x": [1]}
    assert (outputs[1] / "b").read_text() == "x"


def test_what_something_else_has_finished_is_not_taken(job):
    folder, outputs = job
    finish(folder, outputs)
    files.set_made_by({"step": "two"})
    assert not saves.take_up(folder, outputs)
    assert not (folder / "finished").exists()


def test_a_disk_without_hard_links_gets_copies(job, monkeypatch):
    def refuse(source, place):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    folder, outputs = job
    finish(folder, outputs)
    assert (outputs[1] / "b").stat().st_nlink == 1
    outputs[0].unlink()
    assert saves.take_up(folder, outputs)
    assert outputs[0].is_file()


def test_accepted_work_is_forgotten_and_unfinished_stays(job):
    folder, outputs = job
    finish(folder, outputs)
    unfinished = folder.parent / "another" / "step-4"
    unfinished.mkdir(parents=True)
    saves.accept(folder.parent)
    assert not folder.exists()
    assert unfinished.exists()
    unfinished.rmdir()
    unfinished.parent.rmdir()
    saves.accept(folder.parent)
    assert not folder.parents[1].exists()
    assert outputs[0].is_file()


def test_unfinished_work_beside_another_is_left(job):
    """The folder of all saves goes away when it is empty."""
    folder, outputs = job
    finish(folder, outputs)
    (folder.parents[1] / "slurm-runs").touch()
    saves.accept(folder.parent)
    assert [path.name for path in folder.parents[1].iterdir()] == ["slurm-runs"]
