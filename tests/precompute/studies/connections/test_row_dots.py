"""Products of rows, pair by pair."""

import numpy as np
import pytest

from app.precompute.studies.connections.row_dots import row_dots


@pytest.mark.parametrize("width", [1, 8, 16, 21])
def test_products_of_rows(width: int) -> None:
    rng = np.random.default_rng(width)
    left, right = (rng.normal(size=(n, width)).astype(np.float32) for n in (7, 40))
    a, b = rng.integers(0, 7, 300), rng.integers(0, 40, 300)
    expected = (left[a].astype(np.float64) * right[b]).sum(axis=1)
    np.testing.assert_allclose(row_dots(left, right, a, b), expected, rtol=1e-5, atol=1e-6)
    assert row_dots(left, right, a[:0], b[:0]).shape == (0,)
