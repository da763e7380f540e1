"""How long the activations at a hook are: by position, by token, and which are outliers.

Takes ‖x‖² of every token and ‖x − x̂‖² of counted ones, shard by shard. An outlier is a counted
token whose norm lies more than `MAX_MADS` median absolute deviations above the median: the rule by
which the logit lens leaves tokens out. Knows neither model nor dictionary.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int64

from app.stats.corpus import Corpus
from app.stats.distribution import Distribution, distribution
from app.stats.quantiles import median_deviation
from app.stats.reconstruction import INPUT, RESIDUAL, TokenSquares

MAX_MADS = 6.0
"""Median absolute deviations above the median from which a norm is an outlier."""


@dataclass(frozen=True)
class NormGroup:
    """The norms of tokens that don't count, in short."""

    n: int
    mean: float
    minimum: float
    maximum: float


@dataclass(frozen=True)
class PositionNorms:
    """Norms of the counted tokens at each position; NaN where there are none."""

    n: Int64[np.ndarray, " context_size"]
    mean: Float64[np.ndarray, " context_size"]
    std: Float64[np.ndarray, " context_size"]
    """of the population"""
    maximum: Float64[np.ndarray, " context_size"]


@dataclass(frozen=True)
class TokenIdNorms:
    """Norms of the counted tokens of each id; NaN where there are none."""

    n: Int64[np.ndarray, " d_vocab"]
    n_outlier: Int64[np.ndarray, " d_vocab"]
    mean: Float64[np.ndarray, " d_vocab"]
    maximum: Float64[np.ndarray, " d_vocab"]
    error: Float64[np.ndarray, " d_vocab"]
    """Σ ‖x − x̂‖²"""


@dataclass(frozen=True)
class HookNorms:
    """Everything about the norms at one hook, with the errors of one dictionary there."""

    norm: Distribution
    """of counted tokens"""
    mad: float
    """median of |norm − median|, unscaled"""
    threshold: float
    """a norm above it is an outlier; infinite where the MAD is 0"""
    n_outlier: int
    square: float
    """Σ ‖x‖² of counted tokens"""
    outlier_square: float
    """the same of outliers"""
    error: float
    """Σ ‖x − x̂‖² of counted tokens"""
    outlier_error: float
    positions: PositionNorms
    token_ids: TokenIdNorms
    zero: NormGroup | None
    """position 0"""
    special: NormGroup | None
    """special tokens elsewhere, padding left out"""


def hook_norms(squares: TokenSquares, corpus: Corpus) -> HookNorms:
    """All of it. Memory: one shard, and some numbers for each position and token id."""

    def norms() -> Iterable[Float32[np.ndarray, " n"]]:
        for first, shard in squares:
            yield _norm(shard[corpus.counted[first : first + len(shard)]][:, INPUT])

    found = distribution(norms, log=True)
    mad = median_deviation(norms, found.median) if found.n else np.nan
    threshold = found.median + MAX_MADS * mad if mad > 0 else np.inf
    positions, token_ids = _Sums(corpus.context_size), _Sums(corpus.d_vocab)
    zero, special = _Group(), _Group()
    outlier_square = square = 0.0
    for first, shard in squares:
        here = slice(first, first + len(shard))
        counted = corpus.counted[here]
        context, position = np.nonzero(counted)
        x_squared, error = (
            shard[context, position, column].astype(np.float64) for column in (INPUT, RESIDUAL)
        )
        norm = _norm(shard[context, position, INPUT]).astype(np.float64)
        outlier = norm > threshold
        positions.add(position, norm, error, outlier)
        token_ids.add(corpus.tokens[here][context, position].astype(np.int64), norm, error, outlier)
        square += float(x_squared.sum())
        outlier_square += float(x_squared[outlier].sum())
        zero.add(_norm(shard[:, 0, INPUT]))
        special.add(_norm(shard[..., INPUT][_is_special(corpus, here)]))
    return HookNorms(
        found, mad, threshold, int(token_ids.n_outlier.sum()), square, outlier_square,
        float(token_ids.error.sum()), float(token_ids.outlier_error.sum()),
        PositionNorms(positions.n, positions.mean, positions.std, positions.maximum),
        TokenIdNorms(
            token_ids.n, token_ids.n_outlier, token_ids.mean, token_ids.maximum, token_ids.error
        ),
        zero.figures(), special.figures(),
    )  # fmt: skip


def norm_outliers(
    norms: Float[np.ndarray, " d_vocab"], among: Bool[np.ndarray, " d_vocab"]
) -> Bool[np.ndarray, " d_vocab"]:
    """Tokens whose norm lies more than `MAX_MADS` MAD above the median, both taken over `among`.

    MAD is the median of |norm − median|, unscaled. Only tokens among these can be outliers.
    """
    if not among.any():
        return np.zeros_like(among)
    median = np.median(norms[among])
    deviation = np.median(np.abs(norms[among] - median))
    return among & (norms > median + MAX_MADS * deviation) & (deviation > 0)


class _Sums:
    """Norms and errors summed by one of many keys."""

    def __init__(self, n_keys: int) -> None:
        self.n = np.zeros(n_keys, np.int64)
        self.n_outlier = np.zeros(n_keys, np.int64)
        self.error = np.zeros(n_keys)
        self.outlier_error = np.zeros(n_keys)
        self._total = np.zeros(n_keys)
        self._squared = np.zeros(n_keys)
        self._maximum = np.full(n_keys, -np.inf)

    def add(
        self,
        key: Int64[np.ndarray, " n"],
        norm: Float64[np.ndarray, " n"],
        error: Float64[np.ndarray, " n"],
        outlier: Bool[np.ndarray, " n"],
    ) -> None:
        def summed(values: np.ndarray, which: np.ndarray = key) -> np.ndarray:
            return np.bincount(which, values, minlength=self.n.size)

        self.n += np.bincount(key, minlength=self.n.size)
        self.n_outlier += np.bincount(key[outlier], minlength=self.n.size)
        self._total += summed(norm)
        self._squared += summed(np.square(norm))
        self.error += summed(error)
        self.outlier_error += summed(error[outlier], key[outlier])
        np.maximum.at(self._maximum, key, norm)

    @property
    def mean(self) -> Float64[np.ndarray, " n_keys"]:
        return np.where(self.n > 0, self._total / np.maximum(self.n, 1), np.nan)

    @property
    def std(self) -> Float64[np.ndarray, " n_keys"]:
        squared = self._squared / np.maximum(self.n, 1) - np.square(self.mean)
        return np.sqrt(np.maximum(squared, 0))

    @property
    def maximum(self) -> Float64[np.ndarray, " n_keys"]:
        return np.where(self.n > 0, self._maximum, np.nan)


class _Group:
    """Norms of tokens that don't count; those that are no numbers are left out."""

    def __init__(self) -> None:
        self._n, self._total = 0, 0.0
        self._low, self._high = np.inf, -np.inf

    def add(self, norm: Float32[np.ndarray, " n"]) -> None:
        norm = norm[np.isfinite(norm)].astype(np.float64)
        if norm.size:
            self._n += norm.size
            self._total += float(norm.sum())
            self._low = min(self._low, float(norm.min()))
            self._high = max(self._high, float(norm.max()))

    def figures(self) -> NormGroup | None:
        if not self._n:
            return None
        return NormGroup(self._n, self._total / self._n, self._low, self._high)


def _is_special(corpus: Corpus, here: slice) -> Bool[np.ndarray, "n context_size"]:
    """Tokens behind position 0 that don't count, without padding."""
    special = ~corpus.counted[here] & ~corpus.padding(here)
    special[:, 0] = False
    return special


def _norm(squared: Float32[np.ndarray, " n"]) -> Float32[np.ndarray, " n"]:
    return np.sqrt(squared.astype(np.float64)).astype(np.float32)
