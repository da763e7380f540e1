"""How a number is distributed over tokens: moments, exact quantiles, a histogram.

Takes float32 values in parts (see `quantiles`); three passes, whose memory does not grow with their
number. Knows nothing of what is measured.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from app.stats.quantiles import Parts, exact_quantiles

SHARES = (0.0, 0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999, 1.0)
N_BINS = 50
_TRIMMED = (SHARES.index(0.001), SHARES.index(0.999))


@dataclass(frozen=True)
class Distribution:
    """Of some values; NaN where there are none."""

    n: int
    mean: float
    std: float
    """of the population"""
    quantiles: Float64[np.ndarray, " n_shares"]
    """at `SHARES`, each a value that was seen"""
    edges: Float64[np.ndarray, " n_edges"]
    """of the histogram, equally wide or, on a log scale, equally many times as large; a bin holds
    its lower edge, the last one both; none where all values are equal or there are none"""
    counts: Int64[np.ndarray, " n_bins"]
    n_below: int
    """values below the first edge"""
    n_above: int

    @property
    def median(self) -> float:
        """The lower of the middle two where their number is even."""
        return float(self.quantiles[SHARES.index(0.5)])


def distribution(parts: Parts, log: bool = False) -> Distribution:
    """Of all values. With `log` the histogram's bins hold all that is positive; otherwise the
    outermost thousandth at either end is left to `n_below` and `n_above`.
    """
    quantiles = exact_quantiles(parts, SHARES)
    n, total = 0, 0.0
    for values in parts():
        n, total = n + values.size, total + float(values.sum(dtype=np.float64))
    mean = total / n if n else np.nan
    edges = _edges(quantiles, parts, log) if n else np.zeros(0)
    squared, below, above = 0.0, 0, 0
    counts = np.zeros(max(edges.size - 1, 0), np.int64)
    for values in parts():
        exact = values.astype(np.float64)
        squared += float(np.square(exact - mean).sum())
        if edges.size:
            below += int((exact < edges[0]).sum())
            above += int((exact > edges[-1]).sum())
            counts += np.histogram(exact, edges)[0]
    std = float(np.sqrt(squared / n)) if n else np.nan
    return Distribution(n, mean, std, quantiles, edges, counts, below, above)


def _edges(
    quantiles: Float64[np.ndarray, " n_shares"], parts: Parts, log: bool
) -> Float64[np.ndarray, " n_edges"]:
    if not log:
        low, high = (float(quantiles[i]) for i in _TRIMMED)
        return np.linspace(low, high, N_BINS + 1) if high > low else np.zeros(0)
    low, high = float(quantiles[0]), float(quantiles[-1])
    if low <= 0:
        positive = [values[values > 0] for values in parts()]
        low = float(min((part.min() for part in positive if part.size), default=0.0))
    if not 0 < low < high:
        return np.zeros(0)
    edges = np.geomspace(low, high, N_BINS + 1)
    edges[0], edges[-1] = low, high
    return edges
