"""What can be said of directions and their cosines, defined in numpy.

Takes rows, gives cosines to nearest neighbours, moments of all pairs, shares of single entries,
clusters of what lies near. `nearest` and `spanning_pairs` are definitions: the job finds the same
on large dictionaries and GPUs (`app/precompute/studies/geometry`). Knows no feature.
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
    rows: Float[ndarray, "n d"], ranks: Sequence[int], block: int = 512
) -> tuple[Int64[ndarray, " n"], Float64[ndarray, "ranks n"]]:
    """(nearest other row, signed cosines to the nearest of these ranks); ties to the lower row.

    −1 and NaN where there are fewer other rows. Memory: `block` rows of cosines.
    """
    unit, n = unit_rows(rows), len(rows)
    index, found = np.full(n, -1), np.full((len(ranks), n), np.nan)
    known = [(place, rank) for place, rank in enumerate(ranks) if rank < n]
    for start in range(0, n if known else 0, block):
        cosine = unit[start : start + block] @ unit.T
        own = np.arange(len(cosine))
        cosine[own, own + start] = -np.inf
        index[start : start + block] = cosine.argmax(axis=1)
        cosine.partition([n - rank for _, rank in known], axis=1)
        for place, rank in known:
            found[place, start : start + block] = cosine[:, n - rank]
    return index, found


def best_matches(
    rows: Float[ndarray, "n d"], others: Float[ndarray, "m d"]
) -> tuple[Int64[ndarray, " n"], Float64[ndarray, " n"]]:
    """(nearest of the others, its signed cosine) of every row; ties to the lower of the others.

    Holds the whole matrix of cosines.
    """
    cosine = unit_rows(rows) @ unit_rows(others).T
    index = cosine.argmax(axis=1)
    return index, cosine[np.arange(len(rows)), index]


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


def spanning_pairs(
    first: Integer[ndarray, " n"], second: Integer[ndarray, " n"], cosine: Float[ndarray, " n"]
) -> Bool[ndarray, " n"]:
    """Which pairs join what no nearer ones have joined (Kruskal's maximum spanning forest); of
    equally near ones those with the lower rows come first."""
    kept, head = np.zeros(first.size, np.bool_), dict[int, int]()
    for pair in np.lexsort((second, first, -cosine)).tolist():
        a, b = root_in(head, int(first[pair])), root_in(head, int(second[pair]))
        kept[pair] = a != b
        head[b] = a
    return kept


def root_in(head: dict[int, int], node: int) -> int:
    """The representative of what a node is joined with; shortens the way to it."""
    while head.setdefault(node, node) != node:
        head[node] = node = head[head[node]]
    return node


def clusters(
    first: Integer[ndarray, " n"],
    second: Integer[ndarray, " n"],
    kept: Bool[ndarray, " n"],
) -> list[list[int]]:
    """What the kept pairs join, directly or through others; the largest first, then by the lowest
    member. Members ascending."""
    head: dict[int, int] = {}
    for a, b in zip(first[kept].tolist(), second[kept].tolist(), strict=True):
        head[root_in(head, b)] = root_in(head, a)
    groups: dict[int, list[int]] = {}
    for node in sorted(head):
        groups.setdefault(root_in(head, node), []).append(node)
    return sorted(groups.values(), key=lambda group: (-len(group), group[0]))


def times_nearest(
    nearest_index: Int[ndarray, " n"], asked: Bool[ndarray, " n"]
) -> Int64[ndarray, " n"]:
    """Of how many of those asked each row is the nearest neighbour."""
    voted = nearest_index[asked & (nearest_index >= 0)]
    return np.bincount(voted, minlength=nearest_index.size).astype(np.int64)
