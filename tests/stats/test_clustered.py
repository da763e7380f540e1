"""The error of a ratio is that of contexts drawn again and again."""

import numpy as np
import pytest

from app.stats.clustered import ratio


def test_equals_the_formula_written_out() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 3, 7)), rng.uniform(1, 4, 7)
    value, error = ratio(a, b)
    assert value.shape == error.shape == (2, 3)
    for i in range(2):
        for j in range(3):
            expected = sum(a[i, j]) / sum(b)
            squares = sum((a[i, j, c] - expected * b[c]) ** 2 for c in range(7))
            assert value[i, j] == pytest.approx(expected)
            assert error[i, j] == pytest.approx((7 / 6 * squares) ** 0.5 / sum(b))


def test_is_the_spread_over_samples_of_contexts() -> None:
    rng = np.random.default_rng(1)
    n = rng.uniform(50, 150, (4000, 60))
    a = n * rng.normal(2, 0.3, n.shape)
    found = [ratio(a[i], n[i]) for i in range(len(n))]
    spread = np.std([float(value) for value, _ in found])
    assert np.mean([float(error) for _, error in found]) == pytest.approx(spread, rel=0.05)


def test_is_undefined_without_anything_to_divide_by() -> None:
    value, error = ratio(np.ones((2, 3)), np.zeros(3))
    assert np.isnan(value).all() and np.isnan(error).all()
    value, error = ratio(np.ones((2, 1)), np.full(1, 4.0))
    assert (value == 0.25).all() and np.isnan(error).all()
