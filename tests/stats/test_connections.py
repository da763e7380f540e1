"""What is kept of contributions, and how predictions are judged."""

import numpy as np
import pytest

from app.stats.connections import judged, strongest


def test_strongest_of_each_sign() -> None:
    feature = np.array([4, 1, 9, 2, 7, 3])
    total = np.array([0.5, -2.0, 0.5, 3.0, -0.1, 0.0])
    found = strongest(feature, total, kept=2)
    assert feature[found.entry].tolist() == [2, 4, 7, 1]
    assert total[found.entry].tolist() == [3.0, 0.5, -0.1, -2.0]
    assert (found.rest_positive, found.n_rest_positive) == (0.5, 1)
    assert (found.rest_negative, found.n_rest_negative) == (0.0, 0)


def test_nothing_is_lost() -> None:
    rng = np.random.default_rng(0)
    for n in (0, 1, 5, 200):
        total = rng.normal(size=n).round(1)
        found = strongest(np.arange(n), total, kept=7)
        kept = total[found.entry].sum()
        assert kept + found.rest_positive + found.rest_negative == pytest.approx(total.sum())
        left = found.n_rest_positive + found.n_rest_negative + (total == 0).sum()
        assert len(found.entry) + left == n
        assert list(total[found.entry]) == sorted(total[found.entry], reverse=True)


def test_judged() -> None:
    predicted = np.array([1.0, -2.0, 0.5, 0.0])
    found = judged(predicted, 0.8 * predicted)
    assert (found.n, found.correlation, found.slope) == (4, pytest.approx(1), pytest.approx(0.8))
    assert found.same_sign == 1
    rng = np.random.default_rng(1)
    predicted, noise = rng.normal(size=500), rng.normal(size=500)
    found = judged(predicted, predicted + noise)
    assert found.correlation == pytest.approx(np.corrcoef(predicted, predicted + noise)[0, 1])
    assert found.same_sign == pytest.approx(0.75, abs=0.06)


def test_too_little_is_not_judged() -> None:
    none = judged(np.zeros(0), np.zeros(0))
    assert (none.n, none.correlation, none.slope, none.same_sign) == (0, None, None, None)
    one = judged(np.ones(1), np.ones(1))
    assert (one.correlation, one.slope, one.same_sign) == (None, 1.0, 1.0)
    still = judged(np.zeros(3), np.arange(3.0))
    assert (still.correlation, still.slope, still.same_sign) == (None, None, None)
