"""Each token's features by their effect on its logit, from ranges of features found apart.

Takes the rankings of ranges of a dictionary in feature order; gives the ranking of all of it, which
is the one that all scores at once would give. Knows not what a score means.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, Int64

from app.precompute.ranges.compiled import compiled
from app.precompute.ranges.ranking import Ranking
from app.stats.arrays import offsets

N_STRONGEST = 100
"""Features kept of each token."""


@dataclass(frozen=True)
class TokenFeatures:
    """The strongest features of each token within a range, token after token, strongest first.

    8 bytes a feature kept: what a `Ranking` has beside that is nothing for dense scores.
    """

    feature_index: Int32[np.ndarray, " n"]
    score: Float32[np.ndarray, " n"]
    n_features: Int64[np.ndarray, " d_vocab"]
    """that have a score for the token; of them `N_STRONGEST` are kept"""

    @classmethod
    def of(cls, ranking: Ranking) -> "TokenFeatures":
        """What is kept of a ranking of dense scores."""
        return cls(ranking.feature_index, ranking.score, ranking.n_features)


class JoinedRanking:
    """The ranking of all ranges added so far; ties go to the lower feature_index.

    Memory: the range at hand and twice what is kept.
    """

    def __init__(self, d_vocab: int) -> None:
        self._n_features = np.zeros(d_vocab, np.int64)
        self._feature, self._score = np.zeros(0, np.int32), np.zeros(0, np.float32)

    def add(self, part: TokenFeatures) -> None:
        """Takes in the next range, of higher features."""
        n_features = self._n_features + part.n_features
        indptr = _indptr(n_features)
        feature, score = np.empty(indptr[-1], np.int32), np.empty(indptr[-1], np.float32)
        _merge(
            (_indptr(self._n_features), self._feature, self._score),
            (_indptr(part.n_features), part.feature_index, part.score),
            (indptr, feature, score),
        )
        self._n_features, self._feature, self._score = n_features, feature, score

    def result(self) -> Ranking:
        """What is kept."""
        none = np.zeros(self._score.size)
        return Ranking(
            _indptr(self._n_features), self._feature, self._score,
            none.astype(np.int32), none, self._n_features,
        )  # fmt: skip


def _indptr(n_features: Int64[np.ndarray, " d_vocab"]) -> Int64[np.ndarray, " d_vocab_plus_one"]:
    """Where the kept features of each token begin."""
    return offsets(np.minimum(n_features, N_STRONGEST))


@compiled
def _merge(first, second, into):
    """Both lists of every token as one, as far as there is room; of equal scores the first's."""
    indptr_a, feature_a, score_a = first
    indptr_b, feature_b, score_b = second
    indptr, feature, score = into
    for token in range(indptr.size - 1):
        a, b = indptr_a[token], indptr_b[token]
        for at in range(indptr[token], indptr[token + 1]):
            from_first = a < indptr_a[token + 1]
            if from_first and b < indptr_b[token + 1]:
                from_first = score_a[a] >= score_b[b]
            if from_first:
                feature[at], score[at] = feature_a[a], score_a[a]
                a += 1
            else:
                feature[at], score[at] = feature_b[b], score_b[b]
                b += 1
