"""The step that selects, by every method, on a window whose best samples are known."""

import json

import numpy as np
import pytest
from tokenizers import Tokenizer, models

from mda.corpus.tokens import TokenStore
from mda.interventions import selection
from mda.runtime import cli, database, files, parquet
from mda.steps.interventions import select
from mda.training import schedule

WINDOW = json.dumps({"start": 2, "stop": 10, "branch": None})


@pytest.fixture
def arguments(tmp_path):
    """Command-line arguments; row n has influence n on the first target, -n on the second."""
    vocabulary = {"<|endoftext|>": 0, **{f"w{n}": n for n in range(1, 30)}}
    Tokenizer(models.WordLevel(vocabulary, unk_token="<|endoftext|>")).save(str(tmp_path / "tokenizer"))
    rows = np.random.default_rng(0).integers(1, 30, (100, 9)).astype(np.uint16)
    rows[40] = 7
    files.write_array(tmp_path / "train.npy", rows)
    parquet.write_table(
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
    parquet.write_table(tmp_path / "scores", table)

    of_walks = {"outcome": ["other"] * 100 + ["wanted"] * 100, "row": np.tile(stream.row, 2)}
    parquet.write_table(tmp_path / "walks", {**of_walks, "score": np.concatenate([numbers, -(numbers % 50)])})

    def build(method, target=None, matched=(), draw=None, outcome=None, own=None):
        given = {
            "method": method,
            "fraction": "0.1",
            "schedule": str(tmp_path / "schedule"),
            "train": str(tmp_path / "train.npy"),
            "train-rows": str(tmp_path / "rows"),
            "tokenizer": str(tmp_path / "tokenizer"),
            "window": WINDOW,
            "target": json.dumps(target),
            "draw": json.dumps(draw),
            "outcome": json.dumps(outcome),
            "own": json.dumps(own),
            "seed": "0",
            "characters": "20",
            "out": str(tmp_path / "out"),
        }
        line = [part for key, value in given.items() for part in (f"--{key}", value)]
        scores = [str(tmp_path / "scores")] if method in ("influence", "outside", "loss") else []
        if outcome is not None:
            scores = [str(tmp_path / "walks")]
        if method == "repetition":
            scores = [str(tmp_path / "control")]
            values = selection.repetition_scores(TokenStore(tmp_path / "train.npy"), stream.row)
            parquet.write_table(tmp_path / "control", {"row": stream.row, "score": values})
        return [*line, "--scores", *scores, "--matched", *matched]

    return build


def selected(tmp_path, arguments):
    cli.run(select.select, arguments)
    return parquet.read_table(tmp_path / "out").to_pandas()


@pytest.mark.parametrize(("method", "draw"), [("trajectory", 3), ("history", None)])
def test_walks_select_by_the_score_of_their_outcome(tmp_path, arguments, method, draw):
    found = selected(tmp_path, arguments(method, "first", draw=draw, outcome="wanted"))
    stream = schedule.base(100, 10, 10, seed=0).between(2, 10)
    assert sorted(found["row"] % 50) == sorted(np.sort(stream.row % 50)[:8])
    assert found["score"].tolist() == (-(found["row"] % 50)).tolist()


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
    first, again, other = (selected(tmp_path, arguments("random", draw=draw)) for draw in (3, 3, 4))
    assert first.equals(again)
    assert set(first["row"]) <= set(window)
    assert set(first["row"]) != set(other["row"])


def test_matched_has_the_labels_of_the_selection_it_is_held_against(tmp_path, arguments, window):
    cli.run(select.select, arguments("influence", "first"))
    (tmp_path / "out").rename(tmp_path / "before")
    before = parquet.read_table(tmp_path / "before").to_pandas()
    found = selected(tmp_path, arguments("matched", "first", [str(tmp_path / "before")], 0))
    assert sorted(found["label"]) == sorted(before["label"])
    assert set(found["row"]) <= set(window)
    assert set(found["row"]) != set(before["row"])


def test_subsets_are_drawn_apart(tmp_path, arguments, window):
    draws = [frozenset(selected(tmp_path, arguments("subset", draw=number))["row"]) for number in range(3)]
    assert len(set(draws)) == 3
    assert all(draw <= set(window) for draw in draws)


def test_outside_takes_the_best_from_the_other_steps(tmp_path, arguments, window):
    found = selected(tmp_path, arguments("outside", "first"))
    others = sorted(set(schedule.Schedule.read(tmp_path / "schedule").row) - set(window), reverse=True)
    assert found["row"].tolist() == others[:8]


def test_candidates_without_a_score_are_an_error(tmp_path, arguments, window, capsys):
    table = parquet.read_table(tmp_path / "scores").to_pandas()
    parquet.write_table(tmp_path / "scores", table[table["row"] != window[3]])
    with pytest.raises(SystemExit):
        selected(tmp_path, arguments("influence", "first"))
    assert "some candidates have no score" in capsys.readouterr().err


def test_ones_own_samples_are_those_of_the_table_in_its_order(arguments, tmp_path):
    stream = schedule.base(100, 10, 10, seed=0).between(2, 10)
    mine, outside = stream.row[[5, 60, 2, 33, 8, 71, 40, 11, 9]], schedule.base(100, 10, 10, seed=0).row[:3]
    path = tmp_path / "own.csv"
    path.write_text("\n".join(["note,row", *(f"a {row},{row}" for row in [*outside, *mine])]))
    cli.run(select.select, arguments("own", own=str(path)))
    assert parquet.read_table(tmp_path / "out").column("row").to_pylist() == mine[:8].tolist()
    # With scores, the highest is the first.
    parquet.write_table(tmp_path / "own.parquet", {"row": mine, "score": np.arange(9.0)})
    cli.run(select.select, arguments("own", own=str(tmp_path / "own.parquet")))
    assert parquet.read_table(tmp_path / "out").column("row").to_pylist() == mine[::-1][:8].tolist()
    # What the sample browser saves.
    lines = [f"first,highest,{row},{place / 10}" for place, row in enumerate(mine)]
    path.write_text("\n".join(["target,side,row,influence", *lines]))
    cli.run(select.select, arguments("own", own=str(path)))
    assert parquet.read_table(tmp_path / "out").column("row").to_pylist() == mine[::-1][:8].tolist()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rows\n1\n", "has no column 'row', only rows"),
        ("row\n1\nx\n", "has 'x' in the column 'row', which is no number"),
        ("row\n1\n\n1.5\n", "has the row 1.5, which is no whole number"),
        ("row\n-1\n", "has the row -1, which is no whole number from 0 on"),
        ("row;score\n1;2\n", "has ';' between its columns; save it with commas"),
        ("row,row\n1,2\n", "has two columns 'row'; keep one"),
        ("row;score\n3;0,5\n", "has ';' between its columns; save it with commas"),
        ("row, score\n3, 0.5\n", "has the column ' score'; if it is 'score', name it so"),
        ("PK\3\4..", "is a zip archive; unpack it"),
        ("PAR1....", "is a Parquet file; let its name end in .parquet"),
        ("row\n7\n7\n", "has the row 7 twice; keep one"),
        ("row,score\n7,1\n8,\n", "has '' in the column 'score', which is no number"),
        ("row\n", "has no lines; add the rows that are to be selected"),
        ("", "cannot be read as CSV (Empty CSV file); save it as CSV or .parquet"),
        ("row,score\n5,9,1\n6,8,2\n", "cannot be read as CSV (CSV parse error: "),
        ("target,row,influence\na,5,9\nb,5,8\n", "has the targets a, b; keep the lines of one"),
        ("row\n50\n", "samples of the window, and 8 are to be selected; add rows, or set fractions to 0.0"),
    ],
)
def test_a_mistake_in_ones_own_table_is_one_sentence(arguments, tmp_path, capsys, text, words):
    path = tmp_path / "own.csv"
    path.write_text(text)
    with pytest.raises(SystemExit):
        cli.run(select.select, arguments("own", own=str(path)))
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"error in step 'interventions.select': selection.own: {path} ")
    assert words in said


def test_several_tables_select_by_their_standardized_mean(tmp_path, arguments):
    """A table of scores a thousand times as large counts no more than the other."""
    cli.run(select.select, arguments("influence", "first"))
    alone = parquet.read_table(tmp_path / "out").to_pandas()["row"]
    rows = schedule.base(100, 10, 10, seed=0).row
    values = np.random.default_rng(1).normal(0, 1, 100)
    for name, scale in (("early", 1000.0), ("late", 0.001)):
        table = {"target": ["first"] * 100, "row": rows, "influence": scale * values, "loss": np.ones(100)}
        parquet.write_table(tmp_path / name, table)
        values = np.where(rows % 7 == 0, 3.0, np.random.default_rng(2).normal(0, 1, 100))
    line = arguments("checkpoints", "first")
    line[line.index("--scores") + 1 : line.index("--matched")] = [
        str(tmp_path / "early"), str(tmp_path / "late")
    ]  # fmt: skip
    found = selected(tmp_path, line)
    early, late = (parquet.read_table(tmp_path / name).to_pandas() for name in ("early", "late"))
    inside = np.isin(rows, schedule.base(100, 10, 10, seed=0).between(2, 10).row)
    both = sum((part["influence"] - part["influence"][inside].mean()) / part["influence"][inside].std(ddof=0)
               for part in (early, late)) / 2  # fmt: skip
    best = both[inside].sort_values(ascending=False).index[:8]
    assert found["row"].tolist() == rows[best].tolist() != alone.tolist()
    assert found["score"].to_numpy() == pytest.approx(both[best].to_numpy())


@pytest.mark.parametrize("piece", [2048, 2**17])
def test_equal_scores_are_drawn_as_by_one_that_holds_them_all(tmp_path, arguments, monkeypatch, piece):
    monkeypatch.setattr(database, "PIECE", piece)
    stream, generator = schedule.base(6000, 600, 10, seed=3), np.random.default_rng(2)
    stream.write(tmp_path / "schedule")
    files.write_array(tmp_path / "train.npy", generator.integers(1, 30, (6000, 9)).astype(np.uint16))
    parquet.write_table(tmp_path / "rows", {"label": [f"label{n % 3}" for n in range(6000)]})
    by_row = generator.integers(0, 3, 6000).astype(np.float32)
    rows = generator.permutation(6000)
    table = {"target": ["first"] * 6000, "row": rows, "influence": by_row[rows], "loss": by_row[rows]}
    parquet.write_table(tmp_path / "scores", table)
    given = arguments("influence", "first")
    given[given.index("--window") + 1] = json.dumps({"start": 20, "stop": 580, "branch": None})
    found = selected(tmp_path, given)
    inside = stream.row[200:5800]
    wanted = inside[selection.top(by_row[inside], 560, 0)]
    assert found["row"].tolist() == wanted.tolist()
    assert found["score"].tolist() == by_row[wanted].tolist()
    assert found["label"].tolist() == [f"label{row % 3}" for row in wanted]
    assert found["rank"].tolist() == list(range(1, 561))


def test_matched_samples_of_few_labels_are_written_in_pieces(tmp_path, arguments, monkeypatch):
    """Pieces of which nothing is kept come first, between and last."""
    monkeypatch.setattr(database, "PIECE", 2048)
    schedule.base(12_000, 1200, 10, seed=3).write(tmp_path / "schedule")
    files.write_array(tmp_path / "train.npy", np.ones((12_000, 9), np.uint16))
    parquet.write_table(tmp_path / "rows", {"label": [f"label{n // 4000}" for n in range(12_000)]})
    parquet.write_table(tmp_path / "chosen", {"label": ["label1"] * 7})
    given = arguments("matched", "first", matched=[str(tmp_path / "chosen")], draw=0)
    given[given.index("--window") + 1] = json.dumps({"start": 0, "stop": 1200, "branch": None})
    found = selected(tmp_path, given)
    assert found["label"].tolist() == ["label1"] * 7
    assert found["rank"].tolist() == list(range(1, 8))


def test_ones_own_table_is_read_in_pieces_whatever_it_begins_with(arguments, tmp_path, window, capsys):
    """Whole numbers and blanks for longer than a piece of the file, and then others."""
    far = [f"{10_000 + place}, 1" for place in range(200_000)]
    near = [f"{row},{place / 7!r}" for place, row in enumerate(window)]
    (tmp_path / "own.csv").write_text("\n".join(["row,score", *far, *near]))
    found = selected(tmp_path, arguments("own", own=str(tmp_path / "own.csv")))
    assert found["row"].tolist() == list(window)[::-1][:8]
    assert found["score"].tolist() == [place / 7 for place in range(len(window))][::-1][:8]
    # What is twice in pieces far apart.
    (tmp_path / "own.csv").write_text("\n".join(["row,score", *far, *near, far[0]]))
    with pytest.raises(SystemExit):
        selected(tmp_path, arguments("own", own=str(tmp_path / "own.csv")))
    assert "has the row 10000 twice; keep one" in capsys.readouterr().err
