"""A distribution over tokens, as several studies store one. Computes nothing."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from numpy import ndarray


@dataclass(frozen=True)
class Spread:
    """Of a number of each token; NaN where no token has it."""

    n: int
    """tokens on which it is defined"""
    mean: float
    std: float
    """of the population"""
    shares: Float[ndarray, " n_shares"]
    """ascending, from 0 (the least value) to 1 (the largest)"""
    quantiles: Float[ndarray, " n_shares"]
    """the least value that this share of all tokens is not above: values that were seen"""
    edges: Float[ndarray, " n_edges"]
    """of the histogram; a bin holds its lower edge, the last one both; none where all are equal"""
    counts: Int[ndarray, " n_bins"]
    n_below: int
    """tokens below the first edge"""
    n_above: int

    @property
    def median(self) -> float:
        """The quantile at one half; NaN where it is not among the shares."""
        found = self.quantiles[self.shares == 0.5]
        return float(found[0]) if found.size else float("nan")
