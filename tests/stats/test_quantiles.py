"""Quantiles taken in two passes over parts are those of the sorted values."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.stats.quantiles import exact_quantiles, median_deviation

SHARES = [0.0, 0.01, 0.25, 0.5, 0.75, 0.9, 1.0]
floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


def in_parts(values: np.ndarray, cuts: list[int]) -> list[np.ndarray]:
    edges = [0, *sorted(min(cut, values.size) for cut in cuts), values.size]
    return [values[a:b] for a, b in pairwise(edges)]


@given(st.lists(floats, min_size=1, max_size=60), st.lists(st.integers(0, 60), max_size=4))
def test_are_those_of_the_sorted_values(numbers: list[float], cuts: list[int]) -> None:
    values = np.array(numbers, np.float32)
    found = exact_quantiles(lambda: in_parts(values, cuts), SHARES)
    expected = np.quantile(values.astype(np.float64), SHARES, method="inverted_cdf")
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_many_values_of_any_size(scale: float) -> None:
    values = (np.random.default_rng(0).normal(size=100_001) * scale).astype(np.float32)
    values[::10] = values[3]  # one value many times
    found = exact_quantiles(lambda: np.array_split(values, 7), SHARES)
    expected = np.quantile(values.astype(np.float64), SHARES, method="inverted_cdf")
    assert found.tolist() == expected.tolist()


def test_of_nothing_there_are_none() -> None:
    assert np.isnan(exact_quantiles(lambda: [np.zeros(0, np.float32)], [0.5])).all()


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        exact_quantiles(lambda: [np.array([1, np.nan], np.float32)], [0.5])


def test_the_median_deviation_is_the_median_of_distances() -> None:
    values = np.random.default_rng(1).lognormal(size=999).astype(np.float32)
    median = float(np.median(values))
    expected = np.median(np.abs(values.astype(np.float64) - median))
    found = median_deviation(lambda: np.array_split(values, 5), median)
    assert found == pytest.approx(expected, rel=1e-6)
