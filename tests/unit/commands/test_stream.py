"""`mda stream`: all that a branch trains on, from what it changes."""

import numpy as np
import pandas as pd
import pytest

from mda.commands import program
from mda.training import schedule


@pytest.fixture
def branch(tmp_path):
    """The file of a branch that masks three rows."""
    order = schedule.base(40, steps=5, batch_size=8, seed=0)
    order.write(tmp_path / "schedules" / "orders" / "seed-0.parquet")
    path = tmp_path / "schedules" / "branches" / "mask" / "loss" / "top-10" / "seed-0.parquet"
    schedule.mask(order, order.row[[3, 11, 20]]).write(path)
    return path


@pytest.mark.parametrize(("name", "read"), [("s.csv", pd.read_csv), ("s.parquet", pd.read_parquet)])
def test_it_writes_a_line_for_each_sample(branch, tmp_path, capsys, name, read):
    assert program.main(["stream", str(branch), str(tmp_path / name)]) == 0
    assert "40 lines" in capsys.readouterr().out
    table = read(tmp_path / name)
    assert np.flatnonzero(table["role"] == "masked").tolist() == [3, 11, 20]
    assert sorted(table["row"]) == list(range(40))


def test_mistakes_are_one_sentence(branch, tmp_path, capsys):
    assert program.main(["stream", str(tmp_path / "x.parquet"), str(tmp_path / "s.csv")]) == 1
    assert "is of no branch; name a file such as" in capsys.readouterr().err
    assert program.main(["stream", str(branch), str(tmp_path / "s.txt")]) == 1
    assert "name a file that ends with .parquet or .csv" in capsys.readouterr().err


def test_no_file_of_the_results_is_overwritten(branch, tmp_path, monkeypatch, capsys):
    before = branch.read_bytes()
    (tmp_path / "link.parquet").symlink_to(branch)
    monkeypatch.chdir(branch.parent)
    orders = tmp_path / "schedules" / "orders"
    for out in (
        branch,
        branch.name,
        tmp_path / "link.parquet",
        orders / "seed-0.parquet",
        orders / "new.csv",
    ):
        assert program.main(["stream", str(branch), str(out)]) == 1
        assert "name a file elsewhere" in capsys.readouterr().err
    assert branch.read_bytes() == before
    assert [path.name for path in orders.iterdir()] == ["seed-0.parquet"]
