"""How often two features fire on the same token, counted exactly from their events.

Takes the events of two features of one dictionary and the number of counted tokens. Knows nothing
of any other feature: `coactivation` finds partners, this file counts a pair somebody named.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from app.stats.events import FeatureEvents


@dataclass(frozen=True)
class Overlap:
    """Joint firings of two features; shares are NaN where they would divide by zero."""

    n_first: int
    n_second: int
    n_joint: int  # tokens on which both fire
    jaccard: float  # n_joint / tokens on which either fires
    lift: float  # P(both) / (P(first) P(second))
    second_given_first: float  # n_joint / n_first
    first_given_second: float  # n_joint / n_second


def overlap(first: FeatureEvents, second: FeatureEvents, n_tokens: int) -> Overlap:
    """Both counted over the same `n_tokens` tokens."""
    n_joint = joint_count(first.places, second.places)
    n_first, n_second = first.n_active, second.n_active
    return Overlap(
        n_first,
        n_second,
        n_joint,
        _ratio(n_joint, n_first + n_second - n_joint),
        _ratio(n_joint * n_tokens, n_first * n_second),
        _ratio(n_joint, n_first),
        _ratio(n_joint, n_second),
    )


def joint_count(first: Int64[np.ndarray, " n"], second: Int64[np.ndarray, " m"]) -> int:
    """Places in both of two ascending lists without repeats: the shorter is looked up in the
    longer."""
    if first.size > second.size:
        first, second = second, first
    if first.size == 0:
        return 0
    at = np.searchsorted(second, first)
    return int(np.count_nonzero(second[np.minimum(at, second.size - 1)] == first))


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
