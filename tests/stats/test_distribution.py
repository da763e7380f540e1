"""A distribution over parts is that of all values at once."""

import numpy as np
import pytest

from app.stats.distribution import N_BINS, SHARES, distribution

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("n_parts", [1, 3, 50])
def test_equals_numpy_on_all_values(log: bool, n_parts: int) -> None:
    values = RNG.lognormal(2, 1.5, 5_000).astype(np.float32)
    values[:40] = 0
    found = distribution(lambda: np.array_split(values, n_parts), log)
    exact = values.astype(np.float64)
    assert found.n == values.size
    assert found.mean == pytest.approx(exact.mean(), rel=1e-12)
    assert found.std == pytest.approx(exact.std(), rel=1e-12)
    expected = np.quantile(exact, SHARES, method="inverted_cdf")
    assert found.quantiles.tolist() == expected.tolist()
    assert found.median == expected[SHARES.index(0.5)]
    assert found.counts.tolist() == np.histogram(exact, found.edges)[0].tolist()
    assert found.n_below + found.counts.sum() + found.n_above == values.size
    assert found.counts.size == N_BINS


def test_a_log_histogram_holds_all_that_is_positive() -> None:
    values = np.array([0, 1e-6, 1, 1e6], np.float32)
    found = distribution(lambda: [values], log=True)
    assert (found.n_below, found.counts.sum(), found.n_above) == (1, 3, 0)
    np.testing.assert_allclose(np.diff(np.log(found.edges)), np.log(1e12) / N_BINS, rtol=1e-6)


def test_outliers_leave_a_linear_histogram_its_shape() -> None:
    values = np.append(RNG.uniform(0, 1, 20_000), 1e9).astype(np.float32)
    found = distribution(lambda: [values])
    assert found.edges[-1] <= 1
    assert 1 <= found.n_above <= 21
    assert found.quantiles[-1] == np.float32(1e9)


@pytest.mark.parametrize("values", [[], [3.0], [2.0, 2.0, 2.0]])
def test_equal_values_have_no_histogram(values: list[float]) -> None:
    found = distribution(lambda: [np.array(values, np.float32)])
    assert (found.n, found.edges.size, found.counts.size) == (len(values), 0, 0)
    assert np.isnan(found.mean) if not values else found.mean == values[0]
