"""For every token id the features with the highest score, where a feature has one for nearly all.

Takes dense blocks of scores in any order of features and keeps a heap for each token, its weakest
on top: most scores cost one comparison. Knows not what a score means.
"""

import numpy as np
from jaxtyping import Float32, Int32, Int64

from app.precompute.ranges.compiled import compiled
from app.precompute.ranges.ranking import Ranking
from app.stats.arrays import offsets


class DenseRanking:
    """Each token's `n_strongest` features; ties go to the lower feature_index.

    Memory: 8 · n_strongest bytes a token.
    """

    def __init__(self, d_vocab: int, n_strongest: int = 100) -> None:
        self.n_features = np.zeros(d_vocab, np.int64)
        self._score = np.full((d_vocab, n_strongest), -np.inf, np.float32)
        self._feature = np.zeros((d_vocab, n_strongest), np.int32)

    def add(
        self, feature_start: int, scores: Float32[np.ndarray, "features_block d_vocab"], sign: int
    ) -> None:
        """Scores, times `sign`, of the features from `feature_start`; NaN where there is none."""
        _add(feature_start, scores, np.float32(sign), self.n_features, self._score, self._feature)

    def result(self) -> Ranking:
        """What is kept so far."""
        counts = np.minimum(self.n_features, self._score.shape[1])
        indptr = offsets(counts)
        score, feature = np.empty(indptr[-1], np.float32), np.empty(indptr[-1], np.int32)
        _sorted(indptr, self._score.copy(), self._feature.copy(), score, feature)
        none = np.zeros(score.size)
        return Ranking(indptr, feature, score, none.astype(np.int32), none, self.n_features.copy())


@compiled
def _add(
    feature_start: int,
    scores: Float32[np.ndarray, "features_block d_vocab"],
    sign: np.float32,
    n_features: Int64[np.ndarray, " d_vocab"],
    kept_score: Float32[np.ndarray, "d_vocab n_strongest"],
    kept_feature: Int32[np.ndarray, "d_vocab n_strongest"],
) -> None:
    """Empty places of a heap hold −∞ and lie on top, so that they are taken first."""
    n = kept_score.shape[1]
    weakest = kept_score[:, 0].copy()
    for row in range(scores.shape[0]):
        feature = feature_start + row
        for token in range(scores.shape[1]):
            score = sign * scores[row, token]
            n_features[token] += score == score
            if score >= weakest[token] and _is_weaker(
                weakest[token], kept_feature[token, 0], score, feature
            ):
                _sink(kept_score, kept_feature, token, n, score, feature)
                weakest[token] = kept_score[token, 0]


@compiled
def _sorted(indptr, kept_score, kept_feature, score, feature):
    """Takes every heap apart, the weakest first, from the end of the token's rows."""
    n = kept_score.shape[1]
    for token in range(indptr.size - 1):
        n_kept = indptr[token + 1] - indptr[token]
        for left in range(n, 0, -1):  # empty places come out first
            if left <= n_kept:
                at = indptr[token] + left - 1
                score[at], feature[at] = kept_score[token, 0], kept_feature[token, 0]
            last_score, last_feature = kept_score[token, left - 1], kept_feature[token, left - 1]
            _sink(kept_score, kept_feature, token, left - 1, last_score, last_feature)


@compiled
def _sink(kept_score, kept_feature, token, n, score, feature):
    """Puts a pair in the place of a heap's top and lets it sink to where it belongs."""
    at = 0
    while True:
        child = 2 * at + 1
        if child >= n:
            break
        if child + 1 < n and _is_weaker(
            kept_score[token, child + 1], kept_feature[token, child + 1],
            kept_score[token, child], kept_feature[token, child],
        ):  # fmt: skip
            child += 1
        if not _is_weaker(kept_score[token, child], kept_feature[token, child], score, feature):
            break
        kept_score[token, at] = kept_score[token, child]
        kept_feature[token, at] = kept_feature[token, child]
        at = child
    kept_score[token, at], kept_feature[token, at] = score, feature


@compiled
def _is_weaker(score, feature, other_score, other_feature):
    return score < other_score or (score == other_score and feature > other_feature)
