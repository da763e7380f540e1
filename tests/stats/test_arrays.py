"""The array moves equal numpy's plain ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.stats.arrays import (
    ascending_order,
    offsets,
    radix_argsort,
    ragged_ranges,
    smallest_keys,
    strongest,
)


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32, np.uint64])
@pytest.mark.parametrize("bits", [3, 16, 17, 33])
def test_radix_argsort_is_a_stable_sort(dtype: type[np.unsignedinteger], bits: int) -> None:
    rng = np.random.default_rng(bits)
    high = min(2**bits, int(np.iinfo(dtype).max))
    keys = rng.integers(0, high, 5000, dtype=np.uint64).astype(dtype)
    keys[::3] = keys[0]
    np.testing.assert_array_equal(radix_argsort(keys), np.argsort(keys, kind="stable"))


def test_radix_argsort_of_nothing() -> None:
    assert radix_argsort(np.zeros(0, dtype=np.uint32)).size == 0


@given(st.lists(st.floats(2.0**-100, 2.0**100, width=32)))
def test_ascending_order_of_positive_floats(values: list[float]) -> None:
    array = np.array(values, dtype=np.float32)
    np.testing.assert_array_equal(ascending_order(array), np.argsort(array, kind="stable"))


@given(st.lists(st.integers(-3, 3)), st.integers(0, 12))
def test_strongest_breaks_ties_by_index(values: list[int], k: int) -> None:
    expected = sorted(range(len(values)), key=lambda i: (-values[i], i))[:k]
    assert strongest(np.array(values, dtype=np.float64), k).tolist() == expected


@given(st.sets(st.integers(0, 999)), st.integers(1, 12))
def test_smallest_keys(keys: set[int], k: int) -> None:
    array = np.array(list(keys), dtype=np.uint32)
    expected = sorted(range(len(array)), key=lambda i: array[i])[:k]
    assert smallest_keys(array, k, 1000).tolist() == expected


def test_smallest_keys_where_keys_are_not_spread() -> None:
    keys = np.arange(1000, 900, -1, dtype=np.uint64)
    assert smallest_keys(keys, 3, 1 << 40).tolist() == [99, 98, 97]
    assert smallest_keys(keys, 3, 1001).tolist() == [99, 98, 97]


def test_ragged_ranges_and_offsets() -> None:
    starts, lengths = np.array([5, 0, 9]), np.array([2, 0, 3])
    assert ragged_ranges(starts, lengths).tolist() == [5, 6, 9, 10, 11]
    assert ragged_ranges(starts[:0], lengths[:0]).size == 0
    assert offsets(lengths).tolist() == [0, 2, 2, 5]
