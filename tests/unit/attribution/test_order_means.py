"""The mean of scores over orders, on scores whose reliability is known."""

import numpy as np
import pandas as pd
import pytest

from mda.attribution import order_means


def order(scores, rows, step, outcome="x"):
    return pd.DataFrame({"outcome": outcome, "step": step, "update": 0, "row": rows, "score": scores})


def test_scores_are_standardized_within_an_update_and_outcome():
    first = order([1.0, 3.0, 10.0, 30.0], [0, 1, 2, 3], [0, 0, 1, 1])
    inserted = order([5.0, 5.0, np.nan], [4, 5, 6], 1).assign(update=1)
    other = order([7.0, 9.0, 8.0], [0, 1, 2], 0, "y")
    found = order_means.standardized(pd.concat([first, inserted, other]))
    assert found["row"].tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2]
    assert found["score"].tolist() == pytest.approx([-1, 1, -1, 1, 0, 0, -(1.5**0.5), 1.5**0.5, 0])


def test_orders_lie_side_by_side_by_row():
    tables = [order([1.0, 3.0], [0, 1], 0), order([1.0, 3.0, 1.0, 3.0], [1, 0, 1, 2], [0, 0, 1, 1])]
    found = order_means.over_orders(tables)
    assert found.loc["x"].to_dict("index") == {0: {0: -1.0, 1: 1.0}, 1: {0: 1.0, 1: -1.0}}


@pytest.mark.parametrize("orders", [2, 3, 4, 7, 10])
def test_reliability_is_that_of_true_scores_and_noise(orders):
    """With noise of three times the variance of what is measured, one order has a reliability of 1/4."""
    generator = np.random.default_rng(0)
    true = generator.normal(size=(50_000, 1))
    scores = true + 3**0.5 * generator.normal(size=(50_000, orders))
    found = order_means.reliability(scores)
    assert found.one == pytest.approx(0.25, abs=0.01)
    assert found.mean == pytest.approx(orders * 0.25 / (1 + (orders - 1) * 0.25), abs=0.01)
    assert found.orders_for(0.5) == pytest.approx(3, rel=0.05)
    assert found.orders_for(0.8) == pytest.approx(12, rel=0.05)
    # That of the mean is its squared correlation with what is measured.
    assert found.mean == pytest.approx(np.corrcoef(scores.mean(axis=1), true[:, 0])[0, 1] ** 2, abs=0.01)


def test_orders_that_do_not_agree_need_no_number():
    found = order_means.reliability(np.array([[1.0, -1.0], [-1.0, 1.0], [0.5, 0.0]]))
    assert found.one < 0
    assert np.isnan(found.orders_for(0.5))


def test_splits_share_no_order():
    assert len(order_means._splits(4)) == 3
    assert len(order_means._splits(5)) == 15
    for orders in (4, 5, 9):
        for first, second in order_means._splits(orders):
            assert len(first) == len(second) == orders // 2
            assert not set(first) & set(second)
