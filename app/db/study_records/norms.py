"""How long the activations are that a dictionary reads, and what outliers do. Computes nothing."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float, Int
from numpy import ndarray

from app.db.study_records.spread import Spread


@dataclass(frozen=True)
class NormsApart:
    """Norms of tokens that are not counted."""

    n: int
    mean: float
    minimum: float
    maximum: float


@dataclass(frozen=True)
class TokenNorms:
    """Token ids by the norms of their counted tokens, ascending by id: those that stand among the
    first by any of the columns. NaN where an id doesn't occur."""

    token_id: Int[ndarray, " n"]
    n: Int[ndarray, " n"]
    """counted tokens of this id"""
    n_outlier: Int[ndarray, " n"]
    """of these, outliers"""
    mean: Float[ndarray, " n"]
    maximum: Float[ndarray, " n"]
    error_share: Float[ndarray, " n"]
    """their share of the total squared error"""
    unembedding: Float[ndarray, " n"]
    """norm of the id's column of W_U"""


@dataclass(frozen=True)
class UnembeddingNorms:
    """‖W_U[:, t]‖ over the tokens that the tokenizer can produce."""

    n: int
    median: float
    mad: float
    threshold: float
    """above it the logit lens leaves a token out; infinite where the MAD is 0"""
    n_outlier: int


@dataclass(frozen=True)
class Norms:
    """‖x‖ at the hook of one dictionary, over all tokens of its corpus, in the model's scale."""

    STUDY: ClassVar[str] = "norms"

    hook_name: str
    norm: Spread
    """of counted tokens; its bins are equally many times as large and hold all of them"""
    mad: float
    """median of |norm − median|, unscaled"""
    threshold: float
    """median + 6 MAD: a norm above it is an outlier; infinite where the MAD is 0"""
    n_outlier: int
    """counted tokens that are outliers"""
    outlier_square_share: float
    """their share of Σ ‖x‖²"""
    outlier_error_share: float
    """their share of Σ ‖x − x̂‖² of this dictionary"""
    mse_without_outliers: float | None
    """mean ‖x − x̂‖² / d_in over the other counted tokens"""
    position_n: Int[ndarray, " context_size"]
    """counted tokens at each position"""
    position_mean: Float[ndarray, " context_size"]
    """NaN where there are none; so are the next two"""
    position_std: Float[ndarray, " context_size"]
    """of the population"""
    position_maximum: Float[ndarray, " context_size"]
    zero: NormsApart | None
    """at position 0"""
    special: NormsApart | None
    """of special tokens elsewhere; padding is left out"""
    tokens: TokenNorms
    n_token_ids: int
    """token ids with a counted token"""
    n_outlier_token_ids: int
    """of these, ids with an outlier"""
    n_listed: int
    """how many first ones by each column `tokens` holds"""
    unembedding: UnembeddingNorms
