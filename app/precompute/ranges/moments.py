"""`app.stats.moments` for a range: mean, spread, skewness and kurtosis of each feature's firings.

Sums are taken in numpy's order of additions, so the numbers are the same bits as one by one.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64

from app.precompute.ranges.compiled import compiled
from app.precompute.ranges.events import RangeEvents
from app.precompute.ranges.sorting import pairwise_sum


@dataclass(frozen=True)
class RangeMoments:
    """One entry a feature; NaN where too few firings define one."""

    max: Float64[np.ndarray, " n_features"]
    mean: Float64[np.ndarray, " n_features"]
    std: Float64[np.ndarray, " n_features"]
    skewness: Float64[np.ndarray, " n_features"]
    kurtosis: Float64[np.ndarray, " n_features"]


def range_moments(events: RangeEvents) -> RangeMoments:
    """Of every feature, dead ones too."""
    found = RangeMoments(*(np.full(events.n_features, np.nan) for _ in range(5)))
    scratch = np.empty((3, int(events.n_active.max(initial=0))))
    _moments(
        events.indptr, events.activation, scratch,
        found.max, found.mean, found.std, found.skewness, found.kurtosis,
    )  # fmt: skip
    return found


@compiled
def _moments(
    indptr: Int64[np.ndarray, " n_features_plus_one"],
    activation: Float32[np.ndarray, " n"],
    scratch: Float64[np.ndarray, "3 most"],
    maximum: Float64[np.ndarray, " n_features"],
    mean: Float64[np.ndarray, " n_features"],
    std: Float64[np.ndarray, " n_features"],
    skewness: Float64[np.ndarray, " n_features"],
    kurtosis: Float64[np.ndarray, " n_features"],
) -> None:
    for row in range(maximum.size):
        values = activation[indptr[row] : indptr[row + 1]]
        n = values.size
        if n == 0:
            continue
        square, cube, fourth = scratch[0, :n], scratch[1, :n], scratch[2, :n]
        low = high = values[0]
        for i in range(n):
            square[i] = values[i]
            low, high = min(low, values[i]), max(high, values[i])
        maximum[row] = high
        if low == high:
            mean[row], std[row] = high, 0.0
            continue
        mean[row] = centre = pairwise_sum(square) / n
        for i in range(n):
            deviation = np.float64(values[i]) - centre
            square[i] = deviation * deviation
            cube[i] = square[i] * deviation
            fourth[i] = square[i] * square[i]
        variance = pairwise_sum(square) / n
        std[row] = np.sqrt(variance)
        skewness[row] = pairwise_sum(cube) / n / (variance * std[row])
        kurtosis[row] = pairwise_sum(fourth) / n / (variance * variance)
