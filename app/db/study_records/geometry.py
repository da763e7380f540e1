"""What the study of geometry found: where a dictionary's decoder directions lie to each other.

Arrays over features are in order of feature_index, NaN where undefined. Two columns of the
feature's own row belong to it as well: `nearest_cosine`, `times_nearest`, and two of its weights:
`neuron_share`, `encoder_norm`.
"""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float32, Int32, UInt32
from numpy import ndarray

RANKS = (1, 10, 100)
"""The nearest neighbours whose cosines are kept."""

NEAR = (0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99)
"""Cosines at which clusters of near-duplicates can be asked for; the first is the floor."""

DENSER_THAN = 1e-4
"""Density above which a feature counts in the pairwise cosines."""

ALIGNED_FROM = 0.5
"""A row is neuron-aligned when its largest entry is at least this share of its length."""


@dataclass(frozen=True)
class PairCosines:
    """Mean and variance of the cosines of all pairs of some directions, each pair once."""

    n_directions: int
    """directions of a length above zero"""
    mean: float | None
    """None for fewer than two directions"""
    variance: float | None


@dataclass(frozen=True)
class RandomDirections:
    """The same measured of random directions, as many as the dictionary has features."""

    kind: str
    """isotropic, or covariance: drawn with the covariance of the activations"""
    n_directions: int
    n_asked: int
    """directions whose neighbours were looked for, among all of them"""
    cosine: Float32[ndarray, "ranks n_asked"]
    """to the 1st, 10th and 100th nearest; NaN where there are fewer directions"""
    most_nearest: int
    """of how many of those asked the most frequent nearest neighbour is the nearest"""
    neuron_share: Float32[ndarray, " n_asked"]
    """share of the L1 norm in the largest entry"""
    pairs: PairCosines
    """of the first directions, at most 16,384"""


@dataclass(frozen=True)
class Geometry:
    """Of one dictionary."""

    STUDY: ClassVar[str] = "geometry"

    d_out: int
    """numbers of a decoder row"""
    nearest_index: Int32[ndarray, " d_sae"]
    """feature_index of the nearest neighbour, −1 where there is none"""
    cosine: Float32[ndarray, "ranks d_sae"]
    """signed, to the 1st, 10th and 100th nearest neighbour among all features but itself"""
    neuron_index: Int32[ndarray, " d_sae"]
    """place of the decoder row's largest entry by size"""
    neuron_cosine: Float32[ndarray, " d_sae"]
    """that entry's size as a share of the row's length: the cosine to that neuron's axis"""
    neuron_share_10: Float32[ndarray, " d_sae"]
    """share of the row's L1 norm in its ten largest entries"""
    pairs: PairCosines
    """among the features denser than 1e-4"""
    near_first: UInt32[ndarray, " n_near"]
    """a maximum spanning forest of the pairs of living features at least 0.7 near: the clusters at
    any higher cosine are its own"""
    near_second: UInt32[ndarray, " n_near"]
    near_cosine: Float32[ndarray, " n_near"]
    n_near_pairs: list[int]
    """pairs of living features at least as near as each of `NEAR`"""
    random: list[RandomDirections]
    covariance_tokens: int
    """counted tokens the covariance was taken over, at the hook the dictionary writes"""
    covariance_contexts: int
