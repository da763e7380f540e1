"""The order of places is a permutation, fixed for all platforms, and looks random."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.stats.permutation import PlaceHash


@given(st.integers(0, 2**64 - 1), st.integers(0, 10**6), st.integers(1, 5000))
def test_no_two_places_share_a_hash(seed: int, feature: int, n_places: int) -> None:
    hashing = PlaceHash(seed, feature, n_places)
    words = np.arange(hashing.n_hashes)
    hashes = hashing.of(words)
    assert np.array_equal(np.sort(hashes), words)


def test_narrow_and_wide_arithmetic_agree() -> None:
    def by_hand(hashing: PlaceHash, place: int) -> int:
        word, size = place, hashing.n_hashes
        for key, factor in hashing._rounds():
            word = (word + key) * factor % size
            word ^= word >> ((hashing.n_bits + 1) // 2)
        return word

    for n_places in (100, 2**20, 2**31, 2**32 + 1, 10**12):
        hashing = PlaceHash(3, 9, n_places)
        places = np.array([0, 1, 57, n_places // 2, n_places - 1])
        assert hashing.of(places).tolist() == [by_hand(hashing, p) for p in places.tolist()]


def test_the_smallest_hashes_are_spread_evenly() -> None:
    """5,000 draws of 8 of 2**13 places: even over positions, over blocks, and independent."""
    size, position_counts, block_counts, shared = 128, np.zeros(128), np.zeros(64), 0
    places = np.arange(1 << 13)
    previous: set[int] = set()
    for feature in range(5_000):
        drawn = np.flatnonzero(PlaceHash(0, feature, 1 << 13).of(places) < 8)
        position_counts += np.bincount(drawn % size, minlength=size)
        block_counts += np.bincount(drawn // 128, minlength=64)
        shared += len(previous & set(drawn.tolist()))
        previous = set(drawn.tolist())
    for counts in (position_counts, block_counts):
        expected = counts.mean()
        chi_squared = float(((counts - expected) ** 2 / expected).sum())
        freedom = counts.size - 1
        assert abs(chi_squared - freedom) < 5 * (2 * freedom) ** 0.5
    assert shared < 70  # 39 expected


def test_fixed_values() -> None:
    """An atlas built elsewhere draws the same examples."""
    assert PlaceHash(0, 0, 1 << 20).of(np.arange(4)).tolist() == [
        236088,
        148537,
        627641,
        351202,
    ]
