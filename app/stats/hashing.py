"""A seeded 64-bit hash of (stream, context, position), for draws that depend on nothing else.

Takes integers, gives unsigned 64-bit hashes. The mixing function is the finalizer of splitmix64
(Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014). Integer
arithmetic modulo 2**64 only: the same on every platform. Not cryptographic.
"""

import numpy as np
from jaxtyping import Integer, UInt64

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_FIRST = 0xBF58476D1CE4E5B9
_SECOND = 0x94D049BB133111EB


def mix(word: int) -> int:
    """One integer, modulo 2**64, to another: a bijection in which every bit moves every other."""
    word = (word + _GOLDEN) & _MASK
    word = ((word ^ (word >> 30)) * _FIRST) & _MASK
    word = ((word ^ (word >> 27)) * _SECOND) & _MASK
    return word ^ (word >> 31)


def place_hashes(
    seed: int,
    stream: int,
    context_id: Integer[np.ndarray, " n"],
    position: Integer[np.ndarray, " n"],
) -> UInt64[np.ndarray, " n"]:
    """mix(key XOR (context << 32 | position)), key = mix(mix(seed) + stream), for each place.

    `stream` tells independent draws apart (a feature, for instance). Contexts and positions are
    below 2**32: then no two places of one stream share a hash.
    """
    words = context_id.astype(np.uint64) << np.uint64(32)
    words |= position.astype(np.uint64)
    words ^= np.uint64(mix(mix(seed) + stream))
    words += np.uint64(_GOLDEN)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(_FIRST)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(_SECOND)
    return words ^ (words >> np.uint64(31))
