"""Quantiles of more values than fit in memory: exact, in two passes over them.

Takes float32 values in parts, which can be gone through again. The bits of a float, its sign turned
round, are ordered as the floats are: the first pass counts their upper halves, the second the lower
halves of those few upper ones that a quantile falls into. Memory: half a megabyte a quantile. Knows
nothing of what is measured.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt32

from app.stats.arrays import offsets

Parts = Callable[[], Iterable[Float32[np.ndarray, " n"]]]
"""Gives the same values each time it is called, in parts"""

_HALF = 16
_SIZE = 1 << _HALF


def exact_quantiles(parts: Parts, shares: Sequence[float]) -> Float64[np.ndarray, " n_shares"]:
    """For each share the least value such that at least this share of all are not above it.

    That is a value that was seen (numpy's "inverted_cdf"); the median of an even number is the
    lower of the middle two. NaN where there are no values; NaN among them is an error.
    """
    upper = np.zeros(_SIZE, np.int64)
    for values in parts():
        upper += np.bincount(_keys(values) >> _HALF, minlength=_SIZE)
    n = int(upper.sum())
    if n == 0:
        return np.full(len(shares), np.nan)
    rank = np.clip(np.ceil(n * np.asarray(shares, np.float64)) - 1, 0, n - 1).astype(np.int64)
    before = offsets(upper)
    half = np.searchsorted(before, rank, side="right") - 1
    lower = _lower_counts(parts, np.unique(half))
    keys = [
        (int(high) << _HALF)
        | int(np.searchsorted(np.cumsum(lower[int(high)]), at - before[high], side="right"))
        for high, at in zip(half, rank, strict=True)
    ]
    return _values(np.array(keys, np.uint32)).astype(np.float64)


def median_deviation(parts: Parts, median: float) -> float:
    """The median of |value − median| (MAD), unscaled; values are rounded to float32."""

    def deviations() -> Iterable[Float32[np.ndarray, " n"]]:
        for values in parts():
            yield np.abs(values.astype(np.float64) - median).astype(np.float32)

    return float(exact_quantiles(deviations, [0.5])[0])


def _lower_counts(
    parts: Parts, wanted: Int64[np.ndarray, " n"]
) -> dict[int, Int64[np.ndarray, " size"]]:
    counts = {int(high): np.zeros(_SIZE, np.int64) for high in wanted}
    for values in parts():
        keys = _keys(values)
        high = keys >> _HALF
        for each, found in counts.items():
            found += np.bincount(keys[high == each] & (_SIZE - 1), minlength=_SIZE)
    return counts


def _keys(values: Float32[np.ndarray, " n"]) -> UInt32[np.ndarray, " n"]:
    """Whole numbers in the order of the values."""
    if np.isnan(values).any():
        raise ValueError("NaN has no place among values")
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    negative = bits >> np.uint32(31) == 1
    return np.where(negative, ~bits, bits | np.uint32(1 << 31))


def _values(keys: UInt32[np.ndarray, " n"]) -> Float32[np.ndarray, " n"]:
    negative = keys >> np.uint32(31) == 0
    return np.where(negative, ~keys, keys & np.uint32((1 << 31) - 1)).view(np.float32)
