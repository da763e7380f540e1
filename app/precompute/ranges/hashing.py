"""`app.stats.permutation` in compiled loops: the seeded order of places that examples are drawn by.

Takes the seed (already mixed), a feature and the number of bits; gives hashes of places and places
of hashes, the same as `PlaceHash`. All arithmetic is on unsigned 64-bit words.
"""

import numpy as np
from jaxtyping import UInt64

from app.precompute.ranges.compiled import compiled

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_ONE, _TWO = np.uint64(1), np.uint64(2)
ROUNDS = 4


@compiled
def mix(word: np.uint64) -> np.uint64:
    """`app.stats.hashing.mix`."""
    word = word + _GOLDEN
    word = (word ^ (word >> np.uint64(30))) * _FIRST
    word = (word ^ (word >> np.uint64(27))) * _SECOND
    return word ^ (word >> np.uint64(31))


@compiled
def rounds_of(
    mixed_seed: np.uint64, feature_index: int, n_bits: int, rounds: UInt64[np.ndarray, "3 4"]
) -> None:
    """Fills in key, odd factor and the factor's inverse modulo 2**n_bits of every round."""
    mask = (_ONE << np.uint64(n_bits)) - _ONE
    state = mix(mixed_seed + np.uint64(feature_index))
    for index in range(ROUNDS):
        state = mix(state + np.uint64(index))
        factor = (mix(state) | _ONE) & mask
        inverse = factor  # right in its last three bits; every step doubles their number
        for _ in range(5):
            inverse *= _TWO - factor * inverse
        rounds[0, index] = (state >> _ONE) & mask
        rounds[1, index] = factor
        rounds[2, index] = inverse & mask


@compiled
def hash_of(place: int | np.int64, rounds: UInt64[np.ndarray, "3 4"], n_bits: int) -> np.uint64:
    """The hash of one place."""
    mask = (_ONE << np.uint64(n_bits)) - _ONE
    half = np.uint64((n_bits + 1) // 2)
    word = np.uint64(place)
    for index in range(ROUNDS):
        word = ((word + rounds[0, index]) * rounds[1, index]) & mask
        word ^= word >> half
    return word


@compiled
def place_of(hashed: int | np.int64, rounds: UInt64[np.ndarray, "3 4"], n_bits: int) -> int:
    """The word with this hash: a place, or a number beyond the last one."""
    mask = (_ONE << np.uint64(n_bits)) - _ONE
    half = np.uint64((n_bits + 1) // 2)
    word = np.uint64(hashed)
    for index in range(ROUNDS - 1, -1, -1):
        word ^= word >> half  # by half the bits or more: its own inverse
        word = (word * rounds[2, index] - rounds[0, index]) & mask
    return np.int64(word)  # pyright: ignore[reportReturnType] (compiled: the same)
