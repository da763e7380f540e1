"""What the study of matches found: for each feature of one dictionary the nearest of another.

A record belongs to the first of two dictionaries of one hook; that of the other way round belongs
to the other. Arrays over features are in order of feature_index.
"""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float32, Int32
from numpy import ndarray


@dataclass(frozen=True)
class RandomMatches:
    """The same of random directions: as many as the other dictionary has features."""

    kind: str
    """isotropic, or covariance: both sides drawn with the covariance of the activations"""
    n_asked: int
    """directions whose best match was looked for"""
    mean: float
    """of their largest cosines: the MMCS of chance"""
    cosine: Float32[ndarray, " n_asked"]


@dataclass(frozen=True)
class Matches:
    """The features of one dictionary among those of another."""

    STUDY: ClassVar[str] = "matches"

    best_index: Int32[ndarray, " d_sae"]
    """feature_index of the nearest feature of the other, dead ones too; ties to the lower"""
    cosine: Float32[ndarray, " d_sae"]
    """MCS: the largest signed cosine of decoder rows to any feature of the other"""
    n_living: int
    """features of this one that fired"""
    mmcs: float | None
    """mean MCS over them; None where there is none"""
    one_to_one: Int32[ndarray, " n_or_none"]
    """feature_index of the other in the matching of living features, each used once, whose cosines
    have the largest sum (Hungarian); −1 without one; empty where it was not asked for"""
    one_to_one_cosine: Float32[ndarray, " n_or_none"]
    """NaN without one"""
    half_precision: bool
    """whether one side's rows had been stored in float16: cosines are off by less than 0.001"""
    random: list[RandomMatches]
    covariance_tokens: int
    """counted tokens the covariance was taken over; 0 where it wasn't"""
