"""What the three numbers of a token say of its reconstruction; how many features fire on a token.

Takes ‖x − x̂‖², ‖x‖² and ‖x̂‖² of counted tokens, shard by shard, and the events; gives
distributions over all counted tokens. Every value is computed in float64 and rounded to float32.
Knows neither model nor dictionary.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64

from app.stats.corpus import Corpus
from app.stats.distribution import Distribution, distribution
from app.stats.events import EventStore
from app.stats.reconstruction import INPUT, RECONSTRUCTION, RESIDUAL, TokenSquares

Squares = Float64[np.ndarray, "n three"]


@dataclass(frozen=True)
class Measure:
    """One number of a token."""

    of: Callable[[Squares], Float64[np.ndarray, " n"]]
    """NaN where it is undefined: at a token of length 0"""
    log: bool
    """its histogram has bins that are equally many times as large"""


def _norm(squares: Squares) -> Float64[np.ndarray, " n"]:
    return np.sqrt(squares[:, INPUT])


def _reconstruction_norm(squares: Squares) -> Float64[np.ndarray, " n"]:
    return np.sqrt(squares[:, RECONSTRUCTION])


def _relative_error(squares: Squares) -> Float64[np.ndarray, " n"]:
    return _ratio(squares[:, RESIDUAL], squares[:, INPUT])


def _norm_ratio(squares: Squares) -> Float64[np.ndarray, " n"]:
    return np.sqrt(_ratio(squares[:, RECONSTRUCTION], squares[:, INPUT]))


def _cosine(squares: Squares) -> Float64[np.ndarray, " n"]:
    """A zero vector counts as 0, as in the mean over the corpus."""
    dot = (squares[:, INPUT] + squares[:, RECONSTRUCTION] - squares[:, RESIDUAL]) / 2
    lengths = np.sqrt(squares[:, INPUT] * squares[:, RECONSTRUCTION])
    return np.clip(np.divide(dot, lengths, out=np.zeros_like(dot), where=lengths > 0), -1, 1)


def _squared_error(squares: Squares) -> Float64[np.ndarray, " n"]:
    return squares[:, RESIDUAL]


MEASURES: Mapping[str, Measure] = {
    "norm": Measure(_norm, log=True),
    "reconstruction_norm": Measure(_reconstruction_norm, log=True),
    "norm_ratio": Measure(_norm_ratio, log=False),
    "squared_error": Measure(_squared_error, log=True),
    "relative_error": Measure(_relative_error, log=False),
    "cosine": Measure(_cosine, log=False),
}
"""‖x‖ · ‖x̂‖ · ‖x̂‖ / ‖x‖ · ‖x − x̂‖² · ‖x − x̂‖² / ‖x‖² · cos(x, x̂)"""


def measured(squares: TokenSquares, corpus: Corpus, name: str) -> Distribution:
    """The distribution of a measure over the counted tokens on which it is defined."""
    measure = MEASURES[name]

    def parts() -> Iterable[Float32[np.ndarray, " n"]]:
        for values in counted_squares(squares, corpus):
            found = measure.of(values)
            yield found[~np.isnan(found)].astype(np.float32)

    return distribution(parts, measure.log)


def counted_squares(squares: TokenSquares, corpus: Corpus) -> Iterable[Squares]:
    """The three numbers of all counted tokens, shard by shard."""
    for first, shard in squares:
        yield shard[corpus.counted[first : first + len(shard)]].astype(np.float64)


def active_features(store: EventStore, corpus: Corpus) -> Int64[np.ndarray, " most"]:
    """How many counted tokens have 0, 1, 2 … active features (L0), up to the most there are.

    Memory: the places of one shard.
    """
    counts = np.zeros(1, np.int64)
    for index, shard in enumerate(store.shards):
        first = index * store.contexts_per_shard
        counted = corpus.counted[first : first + store.contexts_per_shard]
        active = np.bincount(shard.token, minlength=counted.size)[counted.reshape(-1)]
        own = np.bincount(active, minlength=counts.size)
        own[: counts.size] += counts
        counts = own.astype(np.int64)
    return counts


def _ratio(
    above: Float64[np.ndarray, " n"], below: Float64[np.ndarray, " n"]
) -> Float64[np.ndarray, " n"]:
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)
