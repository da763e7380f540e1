"""How well single tokens are reconstructed. Computes nothing."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Int
from numpy import ndarray

from app.db.study_records.spread import Spread


@dataclass(frozen=True)
class Reconstruction:
    """Of one dictionary, over all counted tokens of its corpus; x in the model's scale."""

    STUDY: ClassVar[str] = "reconstruction"

    l0_counts: Int[ndarray, " most"]
    """tokens with 0, 1, 2 … active features; they sum to N"""
    norm: Spread
    """‖x‖"""
    reconstruction_norm: Spread
    """‖x̂‖"""
    norm_ratio: Spread
    """‖x̂‖ / ‖x‖"""
    squared_error: Spread
    """‖x − x̂‖², not divided by d_in"""
    relative_error: Spread
    """‖x − x̂‖² / ‖x‖²"""
    cosine: Spread
    """cos(x, x̂); 0 where either is a zero vector"""
    ce_recovered_mean_error: float | None
    """standard error of `QualityRecord.ce_recovered_mean`, by leaving out one context after the
    other; None where it was not measured"""
    ce_recovered_zero_error: float | None
