"""The least text on which a feature still fires nearly as strongly.

First the shortest end of the text that keeps a share of the activation, then, greedily, tokens
taken out of it one after the other, each time the one that costs least. Knows nothing of how texts
are run.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from app.precompute.ablation.deletions import Deletions

SHARE = 0.8
"""of the activation that is to be kept"""

SUFFIXES_AT_ONCE = 16
MOST_TRIED = 64
"""Tokens of a suffix out of which single ones are taken: n of them cost up to n²/2 texts."""


@dataclass(frozen=True, slots=True)
class MinimalText:
    """Positions that are left, ascending; the peak is the last of them."""

    suffix: tuple[int, ...]
    """the shortest end of the text that keeps the share, after a special token at its start"""
    suffix_share: float
    """of the unchanged activation"""
    fewest: tuple[int, ...] | None
    """what is left of it when no further token can go; greedy, so there may be a shorter one. None
    where the suffix is longer than MOST_TRIED"""
    fewest_share: float | None


def minimal_text(
    deletions: Deletions, special_ids: Collection[int], share: float = SHARE
) -> MinimalText | None:
    """The least text of a place where the feature fires; None where it doesn't.

    A special token at position 0 (BOS) stays in every text. Ties go to the token further left.
    """
    if not deletions.baseline > 0:
        return None
    head = 1 if int(deletions.tokens[0]) in special_ids else 0
    enough = share * deletions.baseline
    start, kept = _shortest(deletions, head, enough)
    suffix = (*range(head), *range(start, deletions.position + 1))
    suffix_share = kept / deletions.baseline
    if deletions.position - start > MOST_TRIED:
        return MinimalText(suffix, suffix_share, None, None)
    left, kept = _greedy(deletions, set(range(head, start)), start, kept, enough)
    return MinimalText(suffix, suffix_share, (*range(head), *left), kept / deletions.baseline)


def _shortest(deletions: Deletions, head: int, enough: float) -> tuple[int, float]:
    """(first position, activation) of the shortest end that keeps enough; the whole text does."""
    starts = list(range(deletions.position, head, -1))
    for first in range(0, len(starts), SUFFIXES_AT_ONCE):
        some = starts[first : first + SUFFIXES_AT_ONCE]
        activations = deletions.read([range(head, start) for start in some])[0]
        if (activations >= enough).any():
            place = int(np.argmax(activations >= enough))
            return some[place], float(activations[place])
    return head, deletions.baseline


def _greedy(
    deletions: Deletions, gone: set[int], start: int, kept: float, enough: float
) -> tuple[list[int], float]:
    """(positions left, activation) when no token before the peak can go any more."""
    left = list(range(start, deletions.position + 1))
    while len(left) > 1:
        candidates = [gone | {position} for position in left[:-1]]
        activations = deletions.read(candidates)[0]
        best = int(np.argmax(activations))
        if activations[best] < enough:
            break
        gone.add(left.pop(best))
        kept = float(activations[best])
    return left, kept
