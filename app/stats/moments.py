"""How often and how strongly one feature fires: counts and moments of its active values.

Takes the feature's events and the number of counted tokens; sums in float64. Knows no tokens.
"""

import math
from dataclasses import dataclass

import numpy as np

from app.stats.events import FeatureEvents


@dataclass(frozen=True)
class ActivationStatistics:
    """Moments are over active values only; None where too few of them define one."""

    n_tokens: int  # counted tokens of the corpus, N
    n_active: int  # tokens with activation > 0
    density: float  # n_active / n_tokens
    n_contexts_active: int  # contexts with at least one firing
    max_activation: float | None
    mean_activation: float | None
    std_activation: float | None  # of the population: divided by n_active, not n_active - 1
    skewness: float | None  # third standardised moment
    kurtosis: float | None  # fourth standardised moment, not the excess: 3 for a normal


def activation_statistics(events: FeatureEvents, n_tokens: int) -> ActivationStatistics:
    """Exact counts and central moments. Skewness and kurtosis need two different values."""
    n_active = events.n_active
    density = n_active / n_tokens if n_tokens else 0.0
    if n_active == 0:
        return ActivationStatistics(n_tokens, 0, density, 0, None, None, None, None, None)
    values = events.activation.astype(np.float64)
    low, high = float(values.min()), float(values.max())
    mean = float(values.mean())
    std, skewness, kurtosis = 0.0, None, None
    if low == high:
        mean = high  # a rounded sum would leave a spread of 1e-17 to divide by
    else:
        deviation = values - mean
        square = deviation * deviation
        variance = float(square.mean())
        std = math.sqrt(variance)
        skewness = float((square * deviation).mean()) / (variance * std)
        kurtosis = float((square * square).mean()) / (variance * variance)
    return ActivationStatistics(
        n_tokens, n_active, density, events.context_starts.size, high, mean, std, skewness, kurtosis
    )
