"""Pairs that lie near, as a maximum spanning forest: every cluster, in no more pairs than features.

Takes pairs of rows with their cosines, gives the pairs that Kruskal's algorithm keeps: those that
join what no nearer pairs have joined. What they join at a cosine of at least t is what all pairs
of at least t join, for any t. Knows not what the rows are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, UInt32
from numpy import ndarray

from app.precompute.ranges.compiled import compiled


@dataclass(frozen=True)
class Forest:
    """Pairs, the nearest first; of equal ones those with the lower rows first."""

    first: UInt32[ndarray, " n"]
    second: UInt32[ndarray, " n"]
    cosine: Float32[ndarray, " n"]


def spanning_forest(n_rows: int, parts: Sequence[Forest]) -> Forest:
    """The forest of the pairs of all parts: fewer than `n_rows` of them.

    Memory: the pairs, thrice.
    """
    first, second, cosine = (
        np.concatenate([getattr(part, name) for part in parts] or [np.zeros(0, kind)])
        for name, kind in (("first", np.uint32), ("second", np.uint32), ("cosine", np.float32))
    )
    order = np.lexsort((second, first, -cosine))
    first, second, cosine = first[order], second[order], cosine[order]
    kept = np.zeros(len(order), np.bool_)
    _join(np.arange(n_rows), first.astype(np.int64), second.astype(np.int64), kept)
    return Forest(first[kept], second[kept], cosine[kept])


@compiled
def _join(head, first, second, kept: Bool[ndarray, " n"]):
    """Marks the pairs whose ends nothing before them has joined."""
    for pair in range(first.size):
        a, b = first[pair], second[pair]
        while head[a] != a:
            head[a] = head[head[a]]
            a = head[a]
        while head[b] != b:
            head[b] = head[head[b]]
            b = head[b]
        if a != b:
            head[max(a, b)] = min(a, b)
            kept[pair] = True
