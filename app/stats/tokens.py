"""Which tokens a feature fires on: counts and activation mass per token id.

Takes one feature's events and the corpus. The table of all its tokens feeds silent examples, the
null of locality and the rankings by token; pages keep only the strongest. Knows no token's text.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64

from app.stats.arrays import radix_argsort, strongest
from app.stats.corpus import Corpus
from app.stats.events import FeatureEvents


@dataclass(frozen=True)
class TokenTable:
    """Every token id the feature fires on, ascending by id."""

    token_id: Int64[np.ndarray, " n_ids"]
    n_active: Int64[np.ndarray, " n_ids"]  # firings on the token
    n_occurrences: Int64[np.ndarray, " n_ids"]  # counted occurrences in the corpus
    mass: Float64[np.ndarray, " n_ids"]  # sum of activations on it
    max: Float32[np.ndarray, " n_ids"]

    @property
    def rate(self) -> Float64[np.ndarray, " n_ids"]:
        """Share of the token's occurrences on which the feature fires."""
        return self.n_active / self.n_occurrences

    @property
    def share(self) -> Float64[np.ndarray, " n_ids"]:
        """Share of the feature's activation mass that falls on the token."""
        return self.mass / self.mass.sum() if self.mass.size else self.mass


@dataclass(frozen=True)
class TokenStatistics:
    """The tokens with most activation mass, by (mass descending, id), and what is left out."""

    token_id: Int64[np.ndarray, " n"]
    n_active: Int64[np.ndarray, " n"]
    n_occurrences: Int64[np.ndarray, " n"]
    rate: Float64[np.ndarray, " n"]  # n_active / n_occurrences
    share: Float64[np.ndarray, " n"]  # of the feature's activation mass
    mean: Float64[np.ndarray, " n"]  # mean activation over its firings on the token
    max: Float32[np.ndarray, " n"]
    n_tokens: int  # distinct token ids it fires on, shown or not
    n_active_left_out: int  # firings on token ids that are not shown
    share_left_out: float  # their share of the activation mass


def token_table(events: FeatureEvents, corpus: Corpus) -> TokenTable:
    """Sums per token id over all firings. Costs the events, not the vocabulary."""
    ids = corpus.flat_tokens[events.places]
    if ids.size == 0:
        none = np.zeros(0, dtype=np.int64)
        return TokenTable(none, none, none, np.zeros(0), np.zeros(0, dtype=np.float32))
    order = radix_argsort(ids.astype(np.uint32) if ids.dtype != np.uint16 else ids)
    ids, activation = ids[order], events.activation[order]
    starts = np.concatenate([[0], np.flatnonzero(ids[1:] != ids[:-1]) + 1])
    token_id = ids[starts].astype(np.int64)
    return TokenTable(
        token_id,
        np.diff(starts, append=ids.size),
        corpus.occurrences[token_id],
        np.bincount(
            np.repeat(np.arange(starts.size), np.diff(starts, append=ids.size)), activation
        ),
        np.maximum.reduceat(activation, starts),
    )


def strongest_tokens(table: TokenTable, n: int = 64) -> TokenStatistics:
    """The `n` tokens with most activation mass; the rest is counted."""
    kept = strongest(table.mass, n)
    n_active, share = table.n_active[kept], table.share
    left_out = np.ones(table.mass.size, dtype=np.bool_)
    left_out[kept] = False
    return TokenStatistics(
        table.token_id[kept],
        n_active,
        table.n_occurrences[kept],
        table.rate[kept],
        share[kept],
        table.mass[kept] / n_active,
        table.max[kept],
        table.token_id.size,
        int(table.n_active[left_out].sum()),
        float(share[left_out].sum()),
    )
