"""The standard error of a ratio of two sums, by leaving out one unit after the other.

Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 11. Takes sums by unit that
was sampled. Knows nothing of what they are sums of.
"""

import numpy as np
from jaxtyping import Float64


def ratio_error(
    above: Float64[np.ndarray, " n_units"], below: Float64[np.ndarray, " n_units"]
) -> float | None:
    """Of Σ above / Σ below: sqrt((n − 1) / n · Σ (R₋ᵢ − mean R₋)²), R₋ᵢ the ratio without unit i.

    None for fewer than two units, and where a ratio is undefined.
    """
    n = above.size
    rest = below.sum() - below
    if n < 2 or (rest == 0).any():
        return None
    without = (above.sum() - above) / rest
    return float(np.sqrt((n - 1) / n * np.square(without - without.mean()).sum()))
