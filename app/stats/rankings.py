"""For every token id the features with the highest score, kept while features stream past.

Takes (feature, token id, score) in any order, as pairs or as dense blocks, and keeps each token's
strongest features. Holds at most the kept pairs and one buffer; two accumulators over different
features merge into what one over all of them would hold. Knows not what a score means.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int32, Int64, Integer

from app.stats.arrays import offsets
from app.stats.tokens import TokenTable

_Pairs = tuple[np.ndarray, ...]
"""Columns of pairs: token id, feature index, score, n_active, share."""


@dataclass(frozen=True)
class Ranking:
    """Rows [indptr[t], indptr[t + 1]) are token t's: by (score descending, feature_index)."""

    indptr: Int64[np.ndarray, " d_vocab_plus_one"]
    feature_index: Int32[np.ndarray, " n"]
    score: Float64[np.ndarray, " n"]
    n_active: Int32[np.ndarray, " n"]  # firings of the feature on the token; 0 for dense scores
    share: Float64[np.ndarray, " n"]  # of the feature's activation mass; 0 for dense scores
    n_features: Int64[np.ndarray, " d_vocab"]  # that had a score for the token, kept or not

    def of(self, token_id: int) -> tuple[Int32[np.ndarray, " m"], Float64[np.ndarray, " m"]]:
        """(features, scores) of one token, strongest first."""
        rows = slice(self.indptr[token_id], self.indptr[token_id + 1])
        return self.feature_index[rows], self.score[rows]


class TokenRanking:
    """Each token's `n_strongest` features by one score; ties go to the lower feature_index.

    Memory: 28 bytes for each kept pair (at most d_vocab * n_strongest), as much again while
    pruning, and a buffer of `buffer_size` pairs or as many as are kept, whichever is more.
    """

    def __init__(self, d_vocab: int, n_strongest: int = 100, buffer_size: int = 1 << 19) -> None:
        self.d_vocab = d_vocab
        self.n_strongest = n_strongest
        self.buffer_size = buffer_size
        self.n_features = np.zeros(d_vocab, dtype=np.int64)
        self._kept = _no_pairs()
        self._buffer: list[_Pairs] = []
        self._n_buffered = 0
        # A full token's weakest kept pair: what does not beat it is dropped on arrival.
        self._weakest_score = np.full(d_vocab, -np.inf)
        self._weakest_feature = np.full(d_vocab, np.iinfo(np.int64).max)

    def add_feature(
        self,
        feature_index: int,
        token_ids: Integer[np.ndarray, " n"],
        scores: Float[np.ndarray, " n"],
        n_active: Integer[np.ndarray, " n"] | None = None,
        share: Float[np.ndarray, " n"] | None = None,
    ) -> None:
        """Scores of one feature for distinct token ids, finite, with the counts beside them."""
        self.n_features[token_ids] += 1
        weakest = self._weakest_score[token_ids]
        beats = (scores > weakest) | (
            (scores == weakest) & (feature_index < self._weakest_feature[token_ids])
        )
        token = token_ids[beats].astype(np.int32)
        feature = np.full(token.size, feature_index, dtype=np.int32)
        self._push(
            token,
            feature,
            scores[beats],
            None if n_active is None else n_active[beats],
            None if share is None else share[beats],
        )

    def add_dense(
        self, feature_start: int, scores: Float[np.ndarray, "features_block d_vocab"]
    ) -> None:
        """Scores of the features from `feature_start` for all tokens; NaN where there is none."""
        self.n_features += np.count_nonzero(~np.isnan(scores), axis=0)
        feature = np.arange(feature_start, feature_start + scores.shape[0])[:, None]
        ties = (scores == self._weakest_score) & (feature < self._weakest_feature)
        row, token = np.nonzero((scores > self._weakest_score) | ties)
        self._push(
            token.astype(np.int32), (row + feature_start).astype(np.int32), scores[row, token]
        )

    def merge(self, other: "TokenRanking") -> None:
        """Take in what another accumulator saw of other features. ValueError if sizes differ."""
        if (self.d_vocab, self.n_strongest) != (other.d_vocab, other.n_strongest):
            raise ValueError("rankings over different vocabularies or lengths cannot be merged")
        other._prune()
        self.n_features += other.n_features
        self._push(*other._kept)

    def result(self) -> Ranking:
        """What is kept so far."""
        self._prune()
        token, feature_index, score, n_active, share = self._kept
        counts = np.bincount(token, minlength=self.d_vocab).astype(np.int64)
        return Ranking(
            offsets(counts), feature_index, score, n_active, share, self.n_features.copy()
        )

    def _push(
        self,
        token: np.ndarray,
        feature_index: np.ndarray,
        score: np.ndarray,
        n_active: np.ndarray | None = None,
        share: np.ndarray | None = None,
    ) -> None:
        n_active = np.zeros(token.size, np.int32) if n_active is None else n_active
        share = np.zeros(token.size) if share is None else share
        self._buffer.append(
            (token, feature_index, score.astype(np.float64), n_active.astype(np.int32), share)
        )
        self._n_buffered += token.size
        if self._n_buffered >= max(self.buffer_size, self._kept[0].size):
            self._prune()

    def _prune(self) -> None:
        """Sort kept and buffered pairs by (token, score descending, feature), cut each token."""
        if not self._n_buffered:
            return
        parts = [self._kept, *self._buffer]
        columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
        token, feature, score = columns[:3]
        order = np.lexsort((feature, -score, token))
        counts = np.bincount(token, minlength=self.d_vocab).astype(np.int64)
        rank = np.arange(order.size) - np.repeat(offsets(counts)[:-1], counts)
        order = order[rank < self.n_strongest]
        self._kept = tuple(column[order] for column in columns)
        self._buffer, self._n_buffered = [], 0
        full = np.flatnonzero(counts >= self.n_strongest)
        last = offsets(np.minimum(counts, self.n_strongest))[full + 1] - 1
        self._weakest_score[full] = self._kept[2][last]
        self._weakest_feature[full] = self._kept[1][last]


class TokenRankings:
    """The two rankings that events give: which features a token's occurrences belong to.

    `fires`: share of the feature's activation mass on the token. `rate`: share of the token's
    occurrences on which the feature fires. Fed from every token with a firing, shown or not.
    """

    def __init__(self, d_vocab: int, n_strongest: int = 100) -> None:
        self.fires = TokenRanking(d_vocab, n_strongest)
        self.rate = TokenRanking(d_vocab, n_strongest)

    def add(self, feature_index: int, table: TokenTable) -> None:
        share, rate, counts = table.share, table.rate, table.n_active
        self.fires.add_feature(feature_index, table.token_id, share, counts, share)
        self.rate.add_feature(feature_index, table.token_id, rate, counts, share)

    def merge(self, other: "TokenRankings") -> None:
        self.fires.merge(other.fires)
        self.rate.merge(other.rate)


def _no_pairs() -> _Pairs:
    none = np.zeros(0, dtype=np.int32)
    return none, none, np.zeros(0), none, np.zeros(0)
