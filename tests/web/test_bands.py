"""Bands of activation: a bar's link holds exactly what the bar counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web.bands import band_text, bins_inside, read_band


@given(st.floats(0.001, 1e4), st.integers(0, 2**32))
def test_a_bar_leads_to_the_values_it_counts(largest: float, seed: int) -> None:
    values = np.random.default_rng(seed).uniform(0, largest, 60).astype(np.float32)
    values[0] = largest
    values = values[values > 0]
    edges = [float(values.max()) * i / 50 for i in range(51)]
    for i in range(50):
        band = read_band(band_text(edges[i], edges[i + 1]), edges)
        assert band is not None
        inside = (values > edges[i]) & (values.astype(np.float64) <= edges[i + 1])
        np.testing.assert_array_equal(band.holds(values.astype(np.float64)), inside)
        assert bins_inside(band, edges) == (i, i + 1)


def test_a_typed_border_is_included() -> None:
    band = read_band("2.5..3", [0.0, 2.0, 4.0])
    assert band is not None
    assert band.holds(np.array([2.4, 2.5, 3.0, 3.1])).tolist() == [False, True, True, False]
    assert bins_inside(band, [0.0, 2.0, 4.0]) == (1, 2)


@pytest.mark.parametrize(
    ("text", "expected"), [("", None), ("2..", (1, 2)), ("..2", (0, 1)), ("5..9", (0, 0))]
)
def test_open_sides_and_nothing(text: str, expected: tuple[int, int] | None) -> None:
    edges = [0.0, 2.0, 4.0]
    band = read_band(text, edges)
    assert (None if band is None else bins_inside(band, edges)) == expected
