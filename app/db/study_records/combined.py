"""What several deletions together show that single ones don't: of a dictionary, and of a feature.

Effects are changed minus unchanged; those of pairs and blocks are on `hidden_pre`, because zero
hides size.
"""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Bool, Float, Integer
from numpy import ndarray


@dataclass(frozen=True)
class CombinedStudy:
    """Which examples were taken apart, and how many features are what."""

    STUDY: ClassVar[str] = "combined"

    n_examples: int
    """of a feature, at most"""
    fewest_missed: float
    """share of the activation by which single deletions have to miss what the whole context holds
    up, for an example to be taken apart"""
    window: int
    """tokens before the peak that are deleted as occurrences and blocks"""
    paired: int
    """last tokens before the peak whose pairs are measured"""
    strong: float
    """share of the unchanged `hidden_pre` from which the strongest interaction, mean over a
    feature's examples, makes it one of either kind"""
    n_features: int
    """with an example taken apart"""
    n_measured: int
    """examples taken apart, of all features"""
    n_alternative: int
    """features of which either of two tokens suffices"""
    n_conjunction: int
    """features of which the loss of one token already takes what both hold up"""


@dataclass(frozen=True)
class CombinedExample:
    """One example with several of its tokens deleted at once. Positions count from the context's
    start."""

    group: str
    """top or interval"""
    rank: int
    """row in its group, from 0"""
    baseline: float
    """activation at the peak with nothing deleted"""
    hidden_pre_baseline: float
    held: float
    """share of the activation lost where all text before the peak is of other contexts"""
    singles: float
    """share lost by single deletions, added up"""
    first: int
    """position of the first of the tokens kept here"""
    token_ids: Integer[ndarray, " n_tokens"]
    """from there to the peak"""
    pair_positions: Integer[ndarray, " n"]
    alone: Float[ndarray, " n"]
    """effect on `hidden_pre` of deleting each of them"""
    interactions: Float[ndarray, "n n"]
    """Δ(i, j) − Δ(i) − Δ(j) on `hidden_pre`; symmetric, 0 on the diagonal"""
    block_start: Integer[ndarray, " b"]
    block_stop: Integer[ndarray, " b"]
    """exclusive"""
    block_effect: Float[ndarray, " b"]
    """on the activation"""
    block_hidden_pre_effect: Float[ndarray, " b"]
    block_parts: Float[ndarray, " b"]
    """sum of the effects on `hidden_pre` of its tokens, each deleted alone"""
    block_joint: Bool[ndarray, " b"]
    """it costs more than its parts, so it was halved"""
    block_smallest: Bool[ndarray, " b"]
    """joint, and neither half is"""
    occurrences: list[list[int]]
    """the places of each token that stands several times, strongest loss first"""
    occurrence_effect: Float[ndarray, " o"]
    """on the activation, of deleting all places at once"""
    occurrence_hidden_pre_effect: Float[ndarray, " o"]


@dataclass(frozen=True)
class FeatureCombined:
    """The examples of one feature that were taken apart, those least explained first."""

    STUDY: ClassVar[str] = "combined"

    examples: list[CombinedExample]
