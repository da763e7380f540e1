"""Connections between dictionaries at different hooks of one run, as they are stored.

Shares are of a feature's `hidden_pre` h at its peaks, sums over its examples divided by Σh: those
of all features below, of bias, error, uncounted tokens, remainder and a skip transcoder's linear
part sum to 1. A dictionary below acts where it writes, one above where it reads.
"""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Bool, Float, Integer
from numpy import ndarray


@dataclass(frozen=True)
class Rest:
    """What is no single feature's, as shares."""

    bias: float
    """of the lower dictionary: b_dec, and the mean it takes off its input"""
    error: float
    """of its reconstruction error x − x̂"""
    uncounted: float
    """of activations below at tokens that are not counted (position 0, special tokens)"""
    remainder: float
    """h − x · ∇h: biases on the way, and what a derivative does not see; of a dictionary that
    writes a part of the stream alone (an MLP's output), also what comes past it"""
    skip: float = 0.0
    """of what a skip transcoder below passes on linearly, without features"""


@dataclass(frozen=True)
class Causes:
    """What a feature is made of, in the features of one dictionary below."""

    sae: str
    feature_index: Integer[ndarray, " n"]
    """the strongest of each sign: positive shares falling, then negative ones falling"""
    share: Float[ndarray, " n"]
    share_same: Float[ndarray, " n"]
    """the part of the share that comes from the token of the peak itself"""
    n_examples: Integer[ndarray, " n"]
    """examples in which it fires at a counted token up to the peak"""
    positive: float
    """share of the other positive features together"""
    n_positive: int
    """how many they are"""
    negative: float
    n_negative: int
    rest: Rest


@dataclass(frozen=True)
class Effects:
    """The features of one dictionary above among whose strongest causes this feature is."""

    sae: str
    feature_index: Integer[ndarray, " n"]
    """the largest shares first, whatever their sign"""
    share: Float[ndarray, " n"]
    """of the other feature's `hidden_pre`"""
    share_same: Float[ndarray, " n"]
    n_examples: Integer[ndarray, " n"]
    """of the other feature"""
    n_found: int
    """how many there are; the list may be shorter"""


@dataclass(frozen=True)
class FeatureConnections:
    """Those of one feature, down and up."""

    STUDY: ClassVar[str] = "connections"

    n_examples: int
    """its examples measured; 0 where nothing lies below its dictionary"""
    hidden_pre: float
    """mean at their peaks; 0 without examples"""
    below: list[Causes]
    """the lowest dictionary first"""
    above: list[Effects]


@dataclass(frozen=True)
class SingleConnections:
    """Connections of single features, the largest shares first, whatever their sign."""

    feature_index: Integer[ndarray, " n"]
    """above"""
    below_index: Integer[ndarray, " n"]
    share: Float[ndarray, " n"]
    n_examples: Integer[ndarray, " n"]


@dataclass(frozen=True)
class Removals:
    """Single upstream features removed from single examples, the model run again. Changes are of
    the downstream `hidden_pre`, with minus without."""

    feature_index: Integer[ndarray, " n"]
    """downstream"""
    removed_index: Integer[ndarray, " n"]
    """upstream"""
    hidden_pre: Float[ndarray, " n"]
    """with nothing removed"""
    predicted: Float[ndarray, " n"]
    real: Float[ndarray, " n"]
    is_drawn: Bool[ndarray, " n"]
    """drawn at random; the others are the strongest of their example"""


@dataclass(frozen=True)
class PairConnections:
    """Two dictionaries, one below the other; the same record belongs to both."""

    STUDY: ClassVar[str] = "connections"

    below: str
    above: str
    """address parts of the two"""
    heights: list[int]
    """of the hook the lower one writes and the upper one reads, in steps from the bottom of the
    model"""
    n_features: int
    """features above that were measured: those with an example"""
    n_examples: int
    """their examples"""
    examples_asked: int
    """a feature, at most; half of them top examples"""
    kept: int
    """features kept of each sign, at most"""
    features: float
    """share of the features below together, mean over the features above; with those of `rest`
    they sum to 1"""
    shown: float
    """the part of it that the kept ones make"""
    rest: Rest
    """means over the features above"""
    strongest: SingleConnections
    seed: int
    n_checked: int
    """examples of the removals"""
    n_strongest: int
    """removed of each: so many strongest ones"""
    n_drawn: int
    """and so many others drawn among those that fire"""
    removals: Removals
