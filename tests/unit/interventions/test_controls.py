"""Selections that influence is held against: by label and by similarity."""

import numpy as np
from conftest import Store

from mda.interventions import selection

GENERATOR = np.random.default_rng(0)


def test_a_matched_selection_has_the_labels_of_the_other():
    labels = np.array(["a"] * 60 + ["b"] * 40)
    chosen = np.array([0, 1, 2, 60, 61, 62, 63])
    first, second = (selection.random_scores(100, "matched", 0, draw) for draw in (0, 1))
    found = selection.matched(labels, chosen, first)
    assert len(set(found.tolist())) == 7
    assert sorted(labels[found]) == sorted(labels[chosen])
    assert not np.array_equal(np.sort(found), np.sort(selection.matched(labels, chosen, second)))


def test_bm25_prefers_rows_with_the_terms_of_the_query():
    rows = GENERATOR.integers(0, 50, (30, 12))
    rows[7] = 60 + np.arange(12)

    class Parts(Store):
        def parts(self, rows):
            yield self.take(rows)

    scores = selection.bm25_scores(Parts(rows), np.arange(30), np.array([[60, 61, 62], [63, 64, 65]]))
    assert scores.argmax() == 7
    assert (np.delete(scores, 7) == 0).all()
