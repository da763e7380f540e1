"""Which texts were met before: digests of texts and the number each was given, in little memory.

Millions of examples come from far fewer texts. A Python dictionary would hold some 200 bytes for
each text, this holds 24: what came last lies in a dictionary, all else in sorted arrays.
"""

import numpy as np
from jaxtyping import Int64, UInt64

_RECENT = 1 << 16


class Seen:
    """Numbers by 16-byte digests. Where only the first 8 bytes of two digests agree, the later one
    is taken for new each time: its text is then stored again, never mixed up with the other."""

    def __init__(self, recent: int = _RECENT) -> None:
        self._most_recent = recent
        self._recent: dict[bytes, int] = {}
        self._key: UInt64[np.ndarray, " n"] = np.zeros(0, np.uint64)
        self._rest: UInt64[np.ndarray, " n"] = np.zeros(0, np.uint64)
        self._number: Int64[np.ndarray, " n"] = np.zeros(0, np.int64)

    def get(self, digest: bytes) -> int | None:
        """The number a digest was given; None where it is new."""
        found = self._recent.get(digest)
        if found is not None or not self._key.size:
            return found
        key, rest = np.frombuffer(digest, np.uint64)
        place = int(np.searchsorted(self._key, key))
        if place == self._key.size or self._key[place] != key or self._rest[place] != rest:
            return None
        return int(self._number[place])

    def put(self, digest: bytes, number: int) -> None:
        """Gives a new digest its number."""
        self._recent[digest] = number
        if len(self._recent) >= self._most_recent:
            self._settle()

    def _settle(self) -> None:
        """Moves what came last into the arrays."""
        halves = np.frombuffer(b"".join(self._recent), np.uint64).reshape(-1, 2)
        number = np.fromiter(self._recent.values(), np.int64, len(self._recent))
        key = np.concatenate([self._key, halves[:, 0]])
        rest = np.concatenate([self._rest, halves[:, 1]])
        number = np.concatenate([self._number, number])
        order = np.argsort(key, kind="stable")
        self._key, self._rest, self._number = key[order], rest[order], number[order]
        self._recent = {}
