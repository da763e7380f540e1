"""What can be said of directions and their cosines, defined in numpy.

Takes rows, gives cosines to nearest neighbours, moments of all pairs, shares of single entries,
clusters of what lies near. The first is the definition for small matrices: it holds every cosine
at once; the job does the same in blocks (`app/precompute/studies/geometry`). Knows no feature.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Int64, Integer
from numpy import ndarray


def unit_rows(rows: Float[ndarray, "n d"]) -> Float64[ndarray, "n d"]:
    """Rows of length 1; one of zeros stays zero."""
    exact = rows.astype(np.float64)
    norms = np.linalg.norm(exact, axis=1, keepdims=True)
    return exact / np.where(norms > 0, norms, 1)


def nearest(
    rows: Float[ndarray, "n d"], ranks: Sequence[int]
) -> tuple[Int64[ndarray, " n"], Float64[ndarray, "ranks n"]]:
    """(nearest other row, signed cosines to the nearest of these ranks); ties to the lower row.

    −1 and NaN where there are fewer other rows.
    """
    unit = unit_rows(rows)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -np.inf)
    ordered = -np.sort(-cosine, axis=1)
    found = [
        ordered[:, rank - 1] if rank < len(rows) else np.full(len(rows), np.nan) for rank in ranks
    ]
    index = cosine.argmax(axis=1) if len(rows) > 1 else np.full(len(rows), -1)
    return index, np.stack(found)


def pair_moments(
    n: int, sum_squared: float, gram_squared: float
) -> tuple[float, float] | tuple[None, None]:
    """(mean, variance) of the cosines of all pairs of `n` unit rows u, each pair once.

    From ‖Σu‖² and ‖Σ u uᵀ‖² (the squared Frobenius norm of the d × d Gram matrix), which are the
    sums of all n² cosines and of their squares, the n of each row with itself among them. Nones
    for fewer than two rows.
    """
    if n < 2:
        return None, None
    pairs = n * (n - 1)
    mean = (sum_squared - n) / pairs
    return mean, max((gram_squared - n) / pairs - mean**2, 0.0)


def entry_shares(
    rows: Float[ndarray, "n d"], k: int = 10
) -> tuple[Int64[ndarray, " n"], Float64[ndarray, "three n"]]:
    """(place of the largest entry by size; its share of the L1 norm, the share of the `k` largest,
    and its share of the length); NaN for rows of zeros."""
    size = np.abs(rows.astype(np.float64))
    ordered = -np.sort(-size, axis=1)
    with np.errstate(invalid="ignore"):
        total = size.sum(axis=1)
        shares = np.stack(
            [
                ordered[:, 0] / total,
                ordered[:, :k].sum(axis=1) / total,
                ordered[:, 0] / np.linalg.norm(size, axis=1),
            ]
        )
    return size.argmax(axis=1), shares


def clusters(
    first: Integer[ndarray, " n"],
    second: Integer[ndarray, " n"],
    kept: Bool[ndarray, " n"],
) -> list[list[int]]:
    """What the kept pairs join, directly or through others; the largest first, then by the lowest
    member. Members ascending."""
    head: dict[int, int] = {}

    def root(node: int) -> int:
        while head.setdefault(node, node) != node:
            head[node] = node = head[head[node]]
        return node

    for a, b in zip(first[kept].tolist(), second[kept].tolist(), strict=True):
        head[root(b)] = root(a)
    groups: dict[int, list[int]] = {}
    for node in sorted(head):
        groups.setdefault(root(node), []).append(node)
    return sorted(groups.values(), key=lambda group: (-len(group), group[0]))


def times_nearest(
    nearest_index: Int[ndarray, " n"], asked: Bool[ndarray, " n"]
) -> Int64[ndarray, " n"]:
    """Of how many of those asked each row is the nearest neighbour."""
    voted = nearest_index[asked & (nearest_index >= 0)]
    return np.bincount(voted, minlength=nearest_index.size).astype(np.int64)
