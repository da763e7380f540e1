"""How search is stored: the packed records and the packing of ascending numbers.

Knows no query and no word.
"""

import zlib
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Integer
from numpy import ndarray

from app.db.records import Group
from app.db.stored.compact import Counts, Rounded, Steps

EXAMPLE_GROUPS: tuple[Group, ...] = ("top", "interval", "quantile")
"""Groups of examples that are searched, in the order of preference where one stands in several:
those in which the feature fires."""

_SHORT = 12
"""Numbers up to which compression isn't worth its frame."""


@dataclass(frozen=True)
class TextLayout:
    """Where the words of a corpus' stored contexts lie.

    Words are numbered through all contexts in the order of `context_id`. A number may be a gap:
    one follows every context, and one stands for every special token.
    """

    context_size: int
    """of the longest"""
    context_id: Int[ndarray, " n_contexts"]
    """ascending"""
    first_word: Int[ndarray, " n_contexts_plus_1"]
    start: Integer[ndarray, " n_words"]
    """position of the token in which the word begins"""
    stop: Integer[ndarray, " n_words"]
    """position after the token in which it ends; 0 for the gap after a context"""


@dataclass(frozen=True)
class ExamplePlaces:
    """The windows of the distinct examples of some neighbouring features.

    By (feature, activation descending, context, position).
    """

    feature: Steps
    """counted from the chunk's first"""
    context_id: Counts
    position: Counts
    """of the peak"""
    before: Counts
    """tokens of the window before the peak"""
    after: Counts
    """tokens of the window from the peak on"""
    activation: Steps
    """`stored_rankings.rounded_bits`"""
    group: Counts
    """place in EXAMPLE_GROUPS"""
    row: Counts
    """in its group, from 0"""


@dataclass(frozen=True)
class FeatureTokens:
    """The strongest tokens of some neighbouring features, as their token panels list them."""

    feature: Steps
    """counted from the chunk's first"""
    token_id: Counts
    share: Steps
    """of the feature's activation mass, as `stored_rankings.rounded_bits`"""
    n_active: Counts
    open_share: Rounded
    """the largest share a token that isn't listed can have; 0 where all are listed"""


def pack_numbers(numbers: Int[ndarray, " n"]) -> bytes:
    """Ascending numbers below 2³² as their differences, byte planes apart, compressed."""
    steps = np.diff(numbers, prepend=0).astype("<u4")
    if steps.size <= _SHORT:
        return b"\0" + steps.tobytes()
    return b"\1" + zlib.compress(steps.view(np.uint8).reshape(-1, 4).T.tobytes(), 6)


def unpack_numbers(blob: bytes) -> Int[ndarray, " n"]:
    """What `pack_numbers` packed."""
    if blob[:1] == b"\0":
        steps = np.frombuffer(blob, "<u4", offset=1)
    else:
        planes = np.frombuffer(zlib.decompress(blob[1:]), np.uint8).reshape(4, -1)
        steps = np.ascontiguousarray(planes.T).view("<u4").ravel()
    return np.cumsum(steps, dtype=np.int64)
