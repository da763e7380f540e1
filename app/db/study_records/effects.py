"""What removing features does to the model: of a dictionary, and firing by firing of a feature.

Every number compares the model's predictions with the feature at one of its firings and without it.
"""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Bool, Float, Integer
from numpy import ndarray


@dataclass(frozen=True)
class EffectsStudy:
    """How a dictionary's features were removed."""

    STUDY: ClassVar[str] = "effects"

    n_top: int
    """top examples of a feature that were removed, at most"""
    n_per_fifth: int
    """firings drawn from each fifth, at most"""
    n_read: int
    """predictions compared, from the one at the firing on"""
    n_features: int
    """with at least one firing measured"""
    n_firings: int
    """measured, of all features"""


@dataclass(frozen=True)
class FeatureEffects:
    """One feature removed at some of its firings: drawn ones first, then top examples.

    Differences are without the feature minus with it. Half precision: three digits.
    """

    STUDY: ClassVar[str] = "effects"

    sample_rank: Integer[ndarray, " n"]
    """row among the stored examples by quantile, from 0; -1 for a firing that wasn't drawn"""
    top_rank: Integer[ndarray, " n"]
    """row among the stored top examples, from 0; -1 for one that is none of those measured"""
    weight: Float[ndarray, " n"]
    """share of all firings that a drawn one stands for; 0 for others; they sum to 1"""
    next_id: Integer[ndarray, " n"]
    """the next token; -1 where that isn't counted"""
    ce: Float[ndarray, " n"]
    """cross-entropy of the next token with the feature, nats; NaN where that isn't counted"""
    delta_ce: Float[ndarray, "n n_read"]
    """change for the next token, the one after it …, nats; NaN where that isn't counted"""
    kl: Float[ndarray, " n"]
    """KL(with ‖ without) of the next token's distribution, nats"""
    changes_likeliest: Bool[ndarray, " n"]
    """another token becomes the likeliest next one"""
    lost_id: Integer[ndarray, "n k"]
    """tokens whose probability as the next one falls most; -1 where fewer fall"""
    lost_from: Float[ndarray, "n k"]
    """their probability with the feature"""
    lost_to: Float[ndarray, "n k"]
    """and without"""
    gained_id: Integer[ndarray, "n k"]
    """those whose probability rises most"""
    gained_from: Float[ndarray, "n k"]
    gained_to: Float[ndarray, "n k"]
