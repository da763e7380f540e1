"""The order of places is a permutation, invertible, fixed for all platforms, and looks random."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.stats.permutation import PlaceHash


@given(st.integers(0, 2**64 - 1), st.integers(0, 10**6), st.integers(1, 5000))
def test_places_and_hashes_are_inverse(seed: int, feature: int, n_places: int) -> None:
    hashing = PlaceHash(seed, feature, n_places)
    words = np.arange(hashing.n_hashes)
    hashes = hashing.of(words)
    assert np.array_equal(np.sort(hashes), words)
    np.testing.assert_array_equal(hashing.places(0, hashing.n_hashes)[hashes], words)


@pytest.mark.parametrize("n_places", [2**31, 2**32 + 1, 10**12])
def test_wide_places(n_places: int) -> None:
    hashing = PlaceHash(0, 1, n_places)
    places = np.array([0, 1, n_places // 2, n_places - 1])
    hashes = hashing.of(places).astype(object)
    found = [int(hashing.places(int(h), int(h) + 1)[0]) for h in hashes]
    assert found == places.tolist()


def test_narrow_and_wide_arithmetic_agree() -> None:
    def by_hand(hashing: PlaceHash, place: int) -> int:
        word, size = place, hashing.n_hashes
        for key, factor in hashing._rounds(inverse=False):
            word = (word + key) * factor % size
            word ^= word >> ((hashing.n_bits + 1) // 2)
        return word

    for n_places in (100, 2**20, 2**31, 2**40):
        hashing = PlaceHash(3, 9, n_places)
        places = np.array([0, 1, 57, 99])
        assert hashing.of(places).tolist() == [by_hand(hashing, p) for p in places.tolist()]


def test_the_smallest_hashes_are_spread_evenly() -> None:
    """20,000 draws of 8 of 2**16 places: even over positions, over blocks, and independent."""
    size, position_counts, block_counts, shared = 128, np.zeros(128), np.zeros(64), 0
    previous: set[int] = set()
    for feature in range(20_000):
        drawn = PlaceHash(0, feature, 1 << 16).places(0, 8).astype(np.int64)
        position_counts += np.bincount(drawn % size, minlength=128)
        block_counts += np.bincount(drawn // 1024, minlength=64)
        shared += len(previous & set(drawn.tolist()))
        previous = set(drawn.tolist())
    for counts in (position_counts, block_counts):
        expected = counts.mean()
        chi_squared = float(((counts - expected) ** 2 / expected).sum())
        freedom = counts.size - 1
        assert abs(chi_squared - freedom) < 5 * (2 * freedom) ** 0.5
    assert shared < 60  # 20 expected


def test_fixed_values() -> None:
    """An atlas built elsewhere draws the same examples."""
    assert PlaceHash(0, 0, 1 << 20).of(np.arange(4)).tolist() == [
        236088,
        148537,
        627641,
        351202,
    ]
