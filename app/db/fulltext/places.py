"""Where each word stands, from which word stands at each place, in little memory.

Takes and gives numbers; knows no text and no table.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int, UInt32
from numpy import ndarray

_AT_ONCE = 1 << 20
_MOST_PASSES = 32


def places_by_word(
    word_of_place: UInt32[ndarray, " n"], n_words: int
) -> Iterator[Int[ndarray, " m"]]:
    """For every word in the order of their numbers its places, ascending.

    Words are sorted some at a time, in passes over all places; holds some ten bytes for each place
    of a pass, of which there are a million or a 32nd of all.
    """
    counts = _counts(word_of_place, n_words)
    until = np.cumsum(counts)
    each = max(_AT_ONCE, len(word_of_place) // _MOST_PASSES)
    first = 0
    while first < n_words:
        before = until[first] - counts[first]
        # As many words as fit, and at least one.
        stop = max(int(np.searchsorted(until, before + each, "right")), first + 1)
        places = np.flatnonzero((word_of_place >= first) & (word_of_place < stop))
        places = places[np.argsort(word_of_place[places], kind="stable")]
        yield from np.split(places, until[first : stop - 1] - before)
        first = stop


def renumber(word_of_place: UInt32[ndarray, " n"], numbers: UInt32[ndarray, " n_words"]) -> None:
    """Gives every word another number, in place."""
    for chunk in _chunks(word_of_place):
        chunk[:] = numbers[chunk]


def _counts(word_of_place: UInt32[ndarray, " n"], n_words: int) -> Int[ndarray, " n_words"]:
    counts = np.zeros(n_words, np.int64)
    for chunk in _chunks(word_of_place):
        counts += np.bincount(chunk, minlength=n_words)
    return counts


def _chunks(values: ndarray) -> Iterator[ndarray]:
    """Views of an array, one after the other."""
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]
