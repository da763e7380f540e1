"""Means over a weighted sample of firings, and how two columns agree in rank.

Takes arrays, gives numbers; NaN stands for what was not measured.
"""

import numpy as np
from jaxtyping import Float, Float64, Int64


def weighted_mean(
    values: Float[np.ndarray, " n"], weights: Float[np.ndarray, " n"]
) -> tuple[float, int]:
    """(Σ wᵢ yᵢ / Σ wᵢ over what was measured, how many those are); NaN where none was.

    Values of weight 0 are left out.
    """
    known = np.isfinite(values) & (weights > 0)
    if not known.any():
        return float("nan"), 0
    own = weights[known].astype(np.float64)
    return float((own * values[known]).sum() / own.sum()), int(known.sum())


def rank_correlation(
    first: Float[np.ndarray, " n"], second: Float[np.ndarray, " n"]
) -> tuple[float | None, int]:
    """(Spearman's rank correlation over the pairs that have both, how many those are).

    Ties share the mean of their ranks. None for fewer than three pairs or a constant column.
    """
    known = np.isfinite(first) & np.isfinite(second)
    n = int(known.sum())
    if n < 3:
        return None, n
    ranks = [_ranks(values[known]) for values in (first, second)]
    centred = [rank - rank.mean() for rank in ranks]
    size = np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum())
    return (float((centred[0] * centred[1]).sum() / size) if size > 0 else None), n


def _ranks(values: Float[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """From 1; ties share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last: Int64[np.ndarray, " k"] = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]
