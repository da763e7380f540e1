"""The error of a ratio, by leaving out one unit after the other."""

import numpy as np
import pytest

from app.stats.jackknife import ratio_error

RNG = np.random.default_rng(0)


def test_equals_leaving_out_each_unit() -> None:
    above, below = RNG.normal(3, 1, 12), RNG.normal(5, 1, 12)
    without = [np.delete(above, i).sum() / np.delete(below, i).sum() for i in range(12)]
    expected = np.sqrt(11 / 12 * (12 * np.var(without)))
    assert ratio_error(above, below) == pytest.approx(expected)


def test_of_a_mean_it_is_the_standard_error() -> None:
    above = RNG.normal(size=30)
    expected = above.std(ddof=1) / np.sqrt(30)
    assert ratio_error(above, np.ones(30)) == pytest.approx(expected)


def test_one_unit_has_no_error() -> None:
    assert ratio_error(np.ones(1), np.ones(1)) is None
    assert ratio_error(np.ones(2), np.array([0.0, 1.0])) is None
