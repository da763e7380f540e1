"""The seeded hash examples are drawn by: a pseudo-random order of all places, for each feature.

Takes places (context_id * context_size + position) and gives hashes. The hash of a place is its
image under a permutation of all k-bit words, where k is the fewest bits that hold every place of
the corpus: no two places share a hash. Draws depend on neither batch size nor order.

Four rounds of: add a key, multiply by an odd number, xor the upper half onto the lower; all modulo
2**k, each step a bijection. The keys come from `hashing.mix` over seed, feature and round. Integer
arithmetic only: the same on every platform. Not cryptographic. Knows nothing of tokens or events.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Integer, UInt

from app.stats.hashing import mix

_ROUNDS = 4
_BLOCK = 1 << 14  # two buffers of this many words stay in the second-level cache
_FEWEST_BITS = 8  # fewer would leave the rounds nothing to mix


@dataclass(frozen=True)
class PlaceHash:
    """The permutation of one feature. A place is context_id * context_size + position."""

    seed: int
    feature_index: int
    n_places: int  # of the corpus; places are below it

    @property
    def n_bits(self) -> int:
        """k."""
        return max((self.n_places - 1).bit_length(), _FEWEST_BITS)

    @property
    def n_hashes(self) -> int:
        """Hashes lie in [0, n_hashes)."""
        return 1 << self.n_bits

    def of(self, places: Integer[np.ndarray, " n"]) -> UInt[np.ndarray, " n"]:
        """The hash of each place."""
        words = places.astype(self._dtype)
        rounds = self._rounds()
        scratch = np.empty(min(_BLOCK, words.size), dtype=words.dtype)
        for start in range(0, words.size, _BLOCK):
            block = words[start : start + _BLOCK]
            _do_rounds(block, scratch[: block.size], rounds, self.n_bits)
        return words

    @property
    def _dtype(self) -> type[np.uint32] | type[np.uint64]:
        # Arithmetic modulo 2**k is the same in both; the narrower one is twice as fast.
        return np.uint32 if self.n_bits < 32 else np.uint64

    def _rounds(self) -> list[tuple[int, int]]:
        """(key, odd factor) of each round, modulo 2**k."""
        size = 1 << self.n_bits
        state = mix(mix(self.seed) + self.feature_index)
        rounds: list[tuple[int, int]] = []
        for index in range(_ROUNDS):
            state = mix(state + index)
            rounds.append(((state >> 1) % size, (mix(state) | 1) % size))
        return rounds


def _do_rounds(
    words: UInt[np.ndarray, " n"],
    scratch: UInt[np.ndarray, " n"],
    rounds: list[tuple[int, int]],
    n_bits: int,
) -> None:
    number = words.dtype.type
    mask, half = number((1 << n_bits) - 1), number((n_bits + 1) // 2)
    for key, factor in rounds:
        words += number(key)
        words *= number(factor)
        words &= mask
        np.right_shift(words, half, out=scratch)
        words ^= scratch
