"""Selections that influence is held against: by label, by similarity, by bigrams and by compression."""

import itertools
import zlib

import numpy as np
import pytest
from conftest import Store
from tokenizers import Tokenizer, models

from mda.interventions import repetition, selection
from mda.runtime import files, parquet
from mda.steps.interventions import control_scores
from mda.training import schedule

GENERATOR = np.random.default_rng(0)


def test_bm25_prefers_rows_with_the_terms_of_the_query():
    rows = GENERATOR.integers(0, 50, (30, 12))
    rows[7] = 60 + np.arange(12)

    class Parts(Store):
        def parts(self, rows):
            yield self.take(rows)

    scores = selection.bm25_scores(Parts(rows), np.arange(30), np.array([[60, 61, 62], [63, 64, 65]]))
    assert scores.argmax() == 7
    assert (np.delete(scores, 7) == 0).all()


def bigrams_by_hand(row):
    """Frequency x reliability, by walking through the row and remembering what has followed what."""
    followers, repeats, returns = {}, 0, 0
    for first, second in itertools.pairwise(row):
        returns += first in followers
        repeats += second in followers.get(first, ())
        followers.setdefault(first, set()).add(second)
    number = len(row) - 1
    return 0.0 if returns == 0 else repeats / number * (repeats / returns)


def test_bigrams_count_by_frequency_and_by_reliability():
    rows = np.vstack([GENERATOR.integers(0, few, (10, 21)) for few in (3, 6, 12, 200)])
    found = repetition.bigram_score(rows)
    assert found == pytest.approx([bigrams_by_hand(row) for row in rows.tolist()])
    assert len(set(found.tolist())) > 10
    # Both repeat two bigrams of nine. Once in the first, twice in the second, a token has another follower.
    reliable = np.array([[1, 2, 3, 4, 1, 2, 3, 5, 6, 7]])
    fickle = np.array([[1, 2, 3, 4, 1, 2, 3, 1, 6, 1]])
    assert repetition.repetition_score(reliable) == repetition.repetition_score(fickle) == 2 / 9
    assert repetition.bigram_score(reliable) == pytest.approx(2 / 9 * 2 / 3)
    assert repetition.bigram_score(fickle) == pytest.approx(2 / 9 * 2 / 4)
    assert repetition.bigram_score(np.arange(8)[None]).tolist() == [0.0]


# Words of one letter, of which no bigram repeats and which any compressor shortens; and words of random
# letters, the first three of which come again.
ALIKE = ["a" * n for n in range(1, 13)]
MIXED = ["".join(GENERATOR.choice(list("bcdefghijklmnopqrstuvwxyz"), 8)) for _ in range(9)]


@pytest.fixture
def words(tmp_path):
    """A store with a row of words alike, one of mixed words and one of the end token, a step each."""
    vocabulary = {"<|endoftext|>": 0} | {word: n for n, word in enumerate([*ALIKE, *MIXED], start=1)}
    reader = Tokenizer(models.WordLevel(vocabulary, unk_token="<|endoftext|>"))
    reader.add_special_tokens(["<|endoftext|>"])
    reader.save(str(tmp_path / "tokenizer"))
    mixed = [*range(13, 22), 13, 14, 15]
    rows = np.array([list(range(1, 13)), mixed, [0] * 12], np.uint16)
    files.write_array(tmp_path / "train.npy", rows)
    schedule.base(3, 1, 3, seed=None).write(tmp_path / "schedule")
    return tmp_path


def scored(folder, method):
    control_scores.score(
        method, folder / "train.npy", folder / "tokenizer", folder / "schedule", None, (0, 3), folder / "out"
    )
    return parquet.read_table(folder / "out").to_pandas().set_index("row")["score"]


def test_compressibility_is_of_the_text_and_may_disagree_with_repetition(words):
    found, repeated = scored(words, "compressibility"), scored(words, "repetition")
    mixed = " ".join(MIXED + MIXED[:3])
    for row, text in enumerate((" ".join(ALIKE), mixed)):
        # zlib's own format has a header of two bytes and a checksum of four.
        size = len(zlib.compress(text.encode(), 9)) - 6
        assert found[row] == pytest.approx(1 - size / len(text))
    assert found[0] > 0.7 > 0.35 > found[1]
    assert repeated[0] == 0 < repeated[1]
    # Of nothing nothing can be saved.
    assert found[2] == 0


def test_the_bigram_score_is_written_for_every_sample(words):
    assert scored(words, "bigram").tolist() == pytest.approx([0.0, 2 / 11 * 2 / 2, 10 / 11])
