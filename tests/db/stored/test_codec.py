"""Packed panels come back as they went in."""

from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from app.db.stored import codec


@dataclass(frozen=True)
class Panel:
    counts: np.ndarray
    matrix: np.ndarray
    n: int
    share: float


@given(
    counts=hnp.arrays(np.uint32, st.integers(0, 40)),
    matrix=hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0)),
    n=st.integers(-(2**63), 2**63 - 1),
    share=st.floats(allow_nan=False),
)
def test_every_field_survives(counts: np.ndarray, matrix: np.ndarray, n: int, share: float) -> None:
    panel = Panel(counts, matrix, n, share)
    found = codec.unpack(Panel, codec.pack(panel))
    np.testing.assert_array_equal(found.counts, counts)
    np.testing.assert_array_equal(found.matrix, matrix)
    assert found.counts.dtype == np.uint32 and found.matrix.shape == matrix.shape
    assert (found.n, found.share) == (n, share)


def test_not_a_number_is_kept() -> None:
    panel = Panel(np.zeros(0, np.uint32), np.full((1, 2), np.nan, np.float32), 0, float("nan"))
    found = codec.unpack(Panel, codec.pack(panel))
    assert np.isnan(found.share) and np.isnan(found.matrix).all()
