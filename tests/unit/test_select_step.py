"""The step that selects, by every method, on a window whose best samples are known."""

import json

import numpy as np
import pytest
from tokenizers import Tokenizer, models

from mda import cli, files, schedule
from mda.steps import select

WINDOW = json.dumps({"start": 2, "stop": 10, "branch": None})


@pytest.fixture
def arguments(tmp_path):
    """Command-line arguments; row n has influence n on the first target, -n on the second."""
    vocabulary = {"<|endoftext|>": 0, **{f"w{n}": n for n in range(1, 30)}}
    Tokenizer(models.WordLevel(vocabulary, unk_token="<|endoftext|>")).save(str(tmp_path / "tokenizer"))
    rows = np.random.default_rng(0).integers(1, 30, (100, 9)).astype(np.uint16)
    rows[40] = 7
    files.write_array(tmp_path / "train.npy", rows)
    files.write_table(
        tmp_path / "rows", {"row": np.arange(100), "label": [f"label{n % 3}" for n in range(100)]}
    )
    stream = schedule.base(100, 10, 10, seed=0)
    stream.write(tmp_path / "schedule")
    numbers = stream.row.astype(float)
    table = {
        "target": ["first"] * 100 + ["second"] * 100,
        "row": np.tile(stream.row, 2),
        "influence": np.concatenate([numbers, -numbers]),
        "loss": np.tile(numbers % 10, 2),
    }
    files.write_table(tmp_path / "scores", table)

    def build(method, target=None):
        given = {
            "method": method,
            "fraction": "0.1",
            "schedule": str(tmp_path / "schedule"),
            "train": str(tmp_path / "train.npy"),
            "train-rows": str(tmp_path / "rows"),
            "tokenizer": str(tmp_path / "tokenizer"),
            "window": WINDOW,
            "target": json.dumps(target),
            "seed": "0",
            "characters": "20",
            "out": str(tmp_path / "out"),
        }
        line = [part for key, value in given.items() for part in (f"--{key}", value)]
        scores = [str(tmp_path / "scores")] if method in ("influence", "loss") else []
        return [*line, "--scores", *scores]

    return build


def selected(tmp_path, arguments):
    cli.run(select.select, arguments)
    return files.read_table(tmp_path / "out").to_pandas()


@pytest.fixture
def window(tmp_path, arguments):
    return schedule.Schedule.read(tmp_path / "schedule").between(2, 10).row


@pytest.mark.parametrize(("target", "sign"), [("first", -1), ("second", 1)])
def test_influence_takes_the_windows_best_of_its_target(tmp_path, arguments, window, target, sign):
    found = selected(tmp_path, arguments("influence", target))
    assert found["row"].tolist() == sorted(window.tolist(), key=lambda row: sign * row)[:8]
    assert found["label"].tolist() == [f"label{row % 3}" for row in found["row"]]
    assert found["excerpt"].str.len().max() <= 20


def test_loss_takes_the_highest_whatever_the_target(tmp_path, arguments, window):
    found = selected(tmp_path, arguments("loss"))
    assert found["score"].tolist() == sorted((window % 10).tolist(), reverse=True)[:8]


def test_repetition_finds_the_row_that_repeats(tmp_path, arguments, window):
    found = selected(tmp_path, arguments("repetition"))
    assert (found["row"].iloc[0] == 40) == (40 in window)
    assert len(found) == 8


def test_random_is_from_the_window_and_seeded(tmp_path, arguments, window):
    first, again = (selected(tmp_path, arguments("random")) for _ in range(2))
    assert first.equals(again)
    assert set(first["row"]) <= set(window)
