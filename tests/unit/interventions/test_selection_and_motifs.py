"""Repetition, selection and motifs: against plain loops, and what generation keeps."""

import json
from itertools import pairwise

import numpy as np
import pytest

from mda.corpus.encoding import Ends
from mda.interventions import motifs, repetition, selection
from mda.models.units import MLP, Attention, Head, ranking, resolve
from mda.runtime.errors import UserError
from mda.steps.interventions import synthesize

GENERATOR = np.random.default_rng(0)


def test_repetition_score_equals_a_plain_loop():
    rows = GENERATOR.integers(0, 4, (50, 12))
    expected = []
    for row in rows.tolist():
        seen, hits = set(), 0
        for pair in pairwise(row):
            hits += pair in seen
            seen.add(pair)
        expected.append(hits / 11)
    assert repetition.repetition_score(rows) == pytest.approx(expected)


def test_repeated_positions_equal_a_plain_search():
    for row in GENERATOR.integers(0, 3, (40, 11)):
        expected = np.zeros(11, dtype=bool)
        for length in range(2, 11):
            for start in range(11 - length + 1):
                span = row[start : start + length].tolist()
                others = [row[s : s + length].tolist() for s in range(11 - length + 1) if s != start]
                if span in others:
                    expected[start : start + length] = True
        assert repetition.repeated_positions(row, 2).tolist() == expected.tolist()


def spans(text, shortest=2):
    found = repetition.repeated_spans(np.array([ord(letter) for letter in text]), shortest)
    return "".join(str(number) if number else "." for number in found)


def test_repeated_spans_are_the_longest_and_have_one_number_wherever_they_occur():
    assert spans("xabcdyabcdz") == ".1111.1111."
    # A longer span first; a shorter one that also occurs outside of it has its own number.
    assert spans("abcd_abcd-bc+bc") == "1111.1111.22.22"
    # Of a motif shown over and over it is the motif, and its cut end has its number.
    assert spans("qabcabcabcabr") == ".11111111111."
    assert spans("abcxyabc.xy") == "11122111.22"
    # Stretches that occur only across spans are of these.
    assert spans("abcdabcd.cda") == "11111111.111"
    assert spans("aaa") == "111"
    assert spans("abcab", shortest=3) == "....."
    assert repetition.repeated_spans(np.zeros(0, int), 2).shape == (0,)


@pytest.mark.parametrize("shortest", [2, 3])
def test_repeated_spans_mark_the_repeated_positions(shortest):
    for row in np.random.default_rng(1).integers(0, 4, (60, 23)):
        found = repetition.repeated_spans(row, shortest)
        assert found.dtype == np.int32
        assert ((found > 0) == repetition.repeated_positions(row, shortest)).all()
        marked = found[found > 0]
        first = list(dict.fromkeys(marked.tolist()))
        assert first == list(range(1, len(first) + 1))


def test_top_is_by_score_and_ties_are_seeded():
    scores = np.array([1.0, 3.0, 2.0, 3.0, 0.0])
    assert set(selection.top(scores, 2, 0)) == {1, 3}
    assert selection.top(scores, 3, 0)[2] == 2
    ties = {tuple(selection.top(np.zeros(20), 5, seed)) for seed in range(5)}
    assert len(ties) == 5
    # As if all were sorted, ties inside and at the end of what is selected among them.
    generator = np.random.default_rng(0)
    scores = generator.integers(0, 4, 50).astype(np.float32)
    drawn = np.random.default_rng([7, 3]).random(50)
    for number in (1, 9, 20, 50):
        assert selection.top(scores, number, 7).tolist() == np.lexsort((drawn, -scores))[:number].tolist()


def test_excerpt_is_one_line():
    assert selection.excerpt("a\n\t b  c", 10) == "a b c"
    assert selection.excerpt("abcdef", 4) == "abc…"


def test_pattern_and_layout_of_a_tiled_sample():
    tokens = np.array([5, 6, 7, 5, 6, 7, 5, 6, 9, 8, 0])
    pattern = motifs.pattern_of(tokens, Ends(None, 0), shortest=2)
    assert pattern == (0, 1, 2, 0, 1, 2, 0, 1, -1, -1, -2)
    assert motifs.Motif(pattern, 1).layout() == "A(3) A A[0:2] _2 |"


def test_equal_structure_is_one_motif():
    samples = np.array([[1, 2, 1, 2, 9], [3, 4, 3, 4, 8], [1, 2, 3, 4, 5]])
    found = motifs.extract(samples, Ends(None, 0), shortest=2)
    assert [(motif.pattern, motif.samples) for motif in found] == [
        ((0, 1, 0, 1, -1), 2),
        ((-1, -1, -1, -1, -1), 1),
    ]


def test_generated_samples_have_the_structure_and_new_contents():
    sample = np.array([11, 12, 13, 14, 11, 12, 13, 14, 20, 11, 12, 0])
    motif = motifs.extract(sample[None], Ends(None, 0), shortest=2)
    frequencies = np.ones(60)
    frequencies[:2] = 0
    samples, numbers = motifs.generate(motif, 200, frequencies, Ends(None, 0), seed=1)
    assert (numbers == 0).all()
    for row in samples:
        assert row[:4].tolist() == row[4:8].tolist()
        assert row[9:11].tolist() == row[:2].tolist()
        assert len(set(row[:4].tolist())) == 4
        assert row[-1] == 0
        assert (row[:-1] >= 2).all()
    assert len({tuple(row) for row in samples.tolist()}) == 200
    again, _ = motifs.generate(motif, 200, frequencies, Ends(None, 0), seed=1)
    assert np.array_equal(samples, again)


def test_generation_follows_the_motifs_frequency():
    found = [motifs.Motif((0, 0, -1), 3), motifs.Motif((-1, -1, -1), 1)]
    _, numbers = motifs.generate(found, 4000, np.ones(9), Ends(None, 0), seed=0)
    assert (numbers == 0).mean() == pytest.approx(0.75, abs=0.03)


def test_motifs_are_read_as_written(tmp_path):
    found = [motifs.Motif((0, 1, -1, 0, 1, -2), 3), motifs.Motif((-1,) * 6, 1)]
    record = {"samples": 4, "shortest": 2, "motifs": [motif.record() for motif in found]}
    (tmp_path / "top.json").write_text(json.dumps(record))
    assert synthesize.read_motifs(tmp_path / "top.json") == (found, 4)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"samples": 1}', "the key 'motifs' is missing"),
        ('{"motifs": [{"pattern": "0 0", "samples": 1}]}', "the key 'samples' is missing"),
        ('{"samples": 1, "motifs": []}', "it has no motif"),
        ('{"samples": 1, "motifs": [{"samples": 1}]}', "the key 'pattern' is missing"),
        ('{"samples": 1, "motifs": [{"pattern": "0 0"}]}', "the key 'samples' is missing"),
        ('{"samples": 1, "motifs": [{"pattern": "0 A", "samples": 1}]}', "no pattern is '0 A'"),
        ('{"samples": 1, "motifs": [{"pattern": [0, 0], "samples": 1}]}', "no pattern is [0, 0]"),
        ('{"samples": 1, "motifs": [{"pattern": "", "samples": 1}]}', "no pattern is ''"),
        ('{"samples": 1, "motifs": [{"pattern": "0 9", "samples": 1}]}', "no pattern is '0 9'"),
        ('{"samples": 1, "motifs": [{"pattern": "0 -4", "samples": 1}]}', "no pattern is '0 -4'"),
        ('{"samples": 1, "motifs": [{"pattern": "0 0", "samples": 0}]}', "'samples' is 0"),
        ('{"samples": "4", "motifs": [{"pattern": "0 0", "samples": 1}]}', "'samples' is '4'"),
        (
            '{"samples": 2, "motifs": [{"pattern": "0 0", "samples": 1}, {"pattern": "0", "samples": 1}]}',
            "its patterns differ in length",
        ),
        ('{"samples": 1, "motifs": ["0 0"]}', "a motif is '0 0'"),
        ('{"samples": 1, "motifs": 7}', "'motifs' is no list"),
        ("[1]", "it is no dictionary"),
    ],
)
def test_a_malformed_file_of_motifs_is_one_sentence(tmp_path, text, reason):
    path = tmp_path / "top.json"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        synthesize.read_motifs(path)
    assert f"{path}: is no file of motifs ({reason}" in str(caught.value)


SCORES = {
    "prefix_matching": {Head(0, 0): 0.1, Head(0, 1): 0.7, Head(1, 0): 0.9, Head(1, 1): 0.7},
    "previous_token": {Head(0, 0): 0.8, Head(0, 1): 0.0, Head(1, 0): 0.1, Head(1, 1): 0.2},
    "copying": {Head(0, 0): -3.0, Head(0, 1): -2.0, Head(1, 0): -1.0, Head(1, 1): -4.0},
}


def test_ranks_and_places_become_heads():
    assert resolve(["induction 1"], SCORES) == [Head(1, 0)]
    assert resolve(["previous-token 1", "L1H1"], SCORES) == [Head(0, 0), Head(1, 1)]
    assert ranking(SCORES["prefix_matching"])[1:3] == [Head(0, 1), Head(1, 1)]


def test_classes_and_layers_become_units():
    assert resolve(["induction > 0.5"], SCORES) == [Head(1, 0), Head(0, 1), Head(1, 1)]
    # Above, not at.
    assert resolve(["induction > 0.7"], SCORES) == [Head(1, 0)]
    assert resolve(["copying > -2.5"], SCORES) == [Head(1, 0), Head(0, 1)]
    assert resolve(["L0.mlp", "L1.attention"], SCORES) == [MLP(0), Attention(1)]
    assert resolve(["L1.residual"], SCORES) == [Attention(0), MLP(0), Attention(1), MLP(1)]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (["L2H0"], "head L2H0 does not exist; the model has L0H0, L0H1, L1H0, L1H1"),
        (["induction 5"], "'induction 5' is beyond the model's 4 heads"),
        (["L1H0", "induction 1"], "'induction 1' is head L1H0, which the target already has"),
        (["L1H0", "induction > 0.7"], "'induction > 0.7' has head L1H0, which the target already has"),
        (["L0.mlp", "L0.residual"], "'L0.residual' has L0.mlp, which the target already has"),
        (["induction > 0.95"], "has no head: the highest score is 0.9, of L1H0; lower the bound"),
        (["L2.mlp"], "L2.mlp does not exist; the model has layers 0 to 1"),
    ],
)
def test_wrong_heads_are_one_sentence(wanted, words):
    with pytest.raises(UserError, match=words):
        resolve(wanted, SCORES)
