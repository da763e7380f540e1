"""What one batch of contexts gives for the figures of other tools: sums, no formula.

Knows neither model nor corpus.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from app.stats.variants import BatchSums


@dataclass(frozen=True)
class Losses:
    """Sums over a batch, in nats."""

    cross_entropy: float
    """over predicted tokens"""
    divergence: float
    """KL(clean ‖ changed), over positions; 0 of the clean model"""


@dataclass(frozen=True)
class OfDictionary:
    """One dictionary on one batch."""

    counted: BatchSums | None
    """None where no token counts"""
    every: BatchSums
    """over all tokens but padding"""
    explained: Float32[np.ndarray, " n_counted"]
    """1 − ‖x − x̂‖² / ‖x − x̄‖² of counted tokens, x̄ the mean over the corpus; NaN where x = x̄"""
    spliced: Losses


@dataclass(frozen=True)
class Batch:
    """Everything about one batch."""

    n_contexts: int
    n_predicted: int
    """tokens that are predicted: all but the first of each context, without padding"""
    n_positions: int
    """all tokens but padding"""
    clean: float
    """Σ cross-entropy of the untouched model"""
    zero: dict[str, Losses]
    """with zeros at every position, by hook name"""
    saes: dict[str, OfDictionary]
    """by dictionary"""
