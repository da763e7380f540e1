"""For every token id the features with the highest score: what ranges contribute, put together.

A range hands over its (token, feature) pairs, cut to those that can be among a token's strongest;
the accumulator cuts again whenever twice as many have come in as are kept. Pairs may come in any
order of ranges: the result is the same. Knows not what a score means.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int32, Int64

from app.precompute.ranges.compiled import compiled
from app.precompute.ranges.ranking import Ranking
from app.precompute.ranges.tokens import RangeTokens
from app.stats.arrays import offsets

_WORTHWHILE = 1.25  # times as many pairs as may be left: then a cut is made
_FEWEST_HELD = 1 << 21  # pairs that may wait, 40 MB, before a cut is worth its while


@dataclass(frozen=True)
class RankedPairs:
    """Pairs of token and feature with what both rankings need."""

    token_id: Int32[np.ndarray, " n"]
    feature_index: Int32[np.ndarray, " n"]
    n_active: Int32[np.ndarray, " n"]  # firings of the feature on the token
    share: Float64[np.ndarray, " n"]  # of the feature's activation mass
    n_features: Int32[np.ndarray, " d_vocab"]  # that fire on the token, kept here or not

    def of(self, rows: np.ndarray) -> "RankedPairs":
        """The pairs of a mask or of indices, with the same counts."""
        return RankedPairs(
            self.token_id[rows],
            self.feature_index[rows],
            self.n_active[rows],
            self.share[rows],
            self.n_features,
        )


def range_pairs(
    tokens: RangeTokens, first: int, occurrences: Int64[np.ndarray, " d_vocab"], n_strongest: int
) -> RankedPairs:
    """A range's contribution: at least its `n_strongest` pairs of each token by either score."""
    sizes = np.diff(tokens.indptr)
    feature = first + np.repeat(np.arange(sizes.size, dtype=np.int32), sizes)
    n_features = np.bincount(tokens.token_id, minlength=occurrences.size).astype(np.int32)
    pairs = RankedPairs(
        tokens.token_id, feature.astype(np.int32), tokens.n_active, tokens.share(), n_features
    )
    return _cut(pairs, occurrences, n_strongest)


class PairRankings:
    """The rankings `fires` (by share) and `rate` (by firings / occurrences), range after range.

    Memory: 20 bytes for each kept pair (at most 2.5 · d_vocab · n_strongest) and as many waiting.
    """

    def __init__(self, occurrences: Int64[np.ndarray, " d_vocab"], n_strongest: int = 100) -> None:
        self.n_strongest = n_strongest
        self._occurrences = occurrences
        self._n_features = np.zeros(occurrences.size, np.int64)
        self._parts: list[RankedPairs] = []
        self._n_kept = self._n_held = 0

    def add(self, pairs: RankedPairs) -> None:
        """Takes in what one range contributes; each feature comes once."""
        self._n_features += pairs.n_features
        self._parts.append(pairs)
        self._n_held += pairs.token_id.size
        if self._n_held > max(2 * self._n_kept, _FEWEST_HELD):
            kept = _cut(self._joined(), self._occurrences, self.n_strongest)
            self._parts, self._n_kept = [kept], kept.token_id.size
            self._n_held = self._n_kept

    def result(self) -> tuple[Ranking, Ranking]:
        """(fires, rate) of what has come in."""
        pairs = self._joined()
        rate = pairs.n_active / self._occurrences[pairs.token_id]
        return self._ranking(pairs, pairs.share), self._ranking(pairs, rate)

    def _joined(self) -> RankedPairs:
        none = np.zeros(0, np.int32)
        empty = RankedPairs(none, none, none, np.zeros(0), none)
        parts = [empty, *self._parts]
        return RankedPairs(
            np.concatenate([part.token_id for part in parts]),
            np.concatenate([part.feature_index for part in parts]),
            np.concatenate([part.n_active for part in parts]),
            np.concatenate([part.share for part in parts]),
            none,
        )

    def _ranking(self, pairs: RankedPairs, score: Float64[np.ndarray, " n"]) -> Ranking:
        kept = strongest_pairs(pairs, score, self._occurrences.size, self.n_strongest)
        pairs, score = pairs.of(kept), score[kept]
        counts = np.bincount(pairs.token_id, minlength=self._occurrences.size)
        return Ranking(
            offsets(counts.astype(np.int64)),
            pairs.feature_index,
            score,
            pairs.n_active,
            pairs.share,
            self._n_features.copy(),
        )


def strongest_pairs(
    pairs: RankedPairs, score: Float64[np.ndarray, " n"], d_vocab: int, n_strongest: int
) -> Int64[np.ndarray, " m"]:
    """Indices of each token's strongest pairs, by (token, score descending, feature_index)."""
    order, counts = _grouped(pairs, d_vocab)
    kept = np.zeros(score.size, np.bool_)
    _mark(offsets(counts), order, pairs.feature_index, score, n_strongest, kept)
    order = order[kept[order]]
    starts = offsets(np.minimum(counts, n_strongest))
    _sort_groups(starts, order, pairs.feature_index, score)
    return order


def _cut(
    pairs: RankedPairs, occurrences: Int64[np.ndarray, " d_vocab"], n_strongest: int
) -> RankedPairs:
    """Only pairs that are among their token's strongest by share or rate, if many are not."""
    counts = np.bincount(pairs.token_id, minlength=occurrences.size)
    n_left = np.minimum(counts, 2 * n_strongest).sum()  # at the most
    if _WORTHWHILE * n_left > pairs.share.size:
        return pairs
    order, counts = _grouped(pairs, occurrences.size)
    kept = np.zeros(pairs.share.size, np.bool_)
    rate = pairs.n_active / occurrences[pairs.token_id]
    for score in (pairs.share, rate):
        _mark(offsets(counts), order, pairs.feature_index, score, n_strongest, kept)
    return pairs.of(kept)


def _grouped(
    pairs: RankedPairs, d_vocab: int
) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " d_vocab"]]:
    """(indices by token, in the order they came in; how many of each token)."""
    counts = np.bincount(pairs.token_id, minlength=d_vocab).astype(np.int64)
    order = np.empty(pairs.token_id.size, np.int64)
    _group(pairs.token_id, offsets(counts)[:-1].copy(), order)
    return order, counts


@compiled
def _group(token_id, cursor, order):
    for i in range(token_id.size):
        order[cursor[token_id[i]]] = i
        cursor[token_id[i]] += 1


@compiled
def _mark(starts, order, feature_index, score, n_strongest, kept):
    """Marks each group's `n_strongest` by (score descending, feature_index)."""
    most = 0
    for group in range(starts.size - 1):
        most = max(most, starts[group + 1] - starts[group])
    scores, moved, ties = np.empty(most), np.empty(most), np.empty(most)
    for group in range(starts.size - 1):
        first, size = starts[group], starts[group + 1] - starts[group]
        if size <= n_strongest:
            for i in range(first, first + size):
                kept[order[i]] = True
            continue
        for i in range(size):
            scores[i] = moved[i] = -score[order[first + i]]
        level = _smallest(moved, size, n_strongest)
        n_above = n_ties = 0
        for i in range(size):
            if scores[i] < level:
                kept[order[first + i]] = True
                n_above += 1
            elif scores[i] == level:
                ties[n_ties] = feature_index[order[first + i]]
                n_ties += 1
        last = _smallest(ties, n_ties, n_strongest - n_above)
        for i in range(size):
            if scores[i] == level and feature_index[order[first + i]] <= last:
                kept[order[first + i]] = True


@compiled
def _smallest(values, n, k):
    """The k-th smallest of the first n values (k from 1); moves them about (Hoare's FIND)."""
    low, high, k = 0, n - 1, k - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while pivot < values[j]:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            break
    return values[k]


@compiled
def _sort_groups(starts, order, feature_index, score):
    """Sorts each of the short groups by (score descending, feature_index), by insertion."""
    for group in range(starts.size - 1):
        first = starts[group]
        for i in range(first + 1, starts[group + 1]):
            item = order[i]
            level, feature = score[item], feature_index[item]
            j = i
            while j > first and (
                score[order[j - 1]] < level
                or (score[order[j - 1]] == level and feature_index[order[j - 1]] > feature)
            ):
                order[j] = order[j - 1]
                j -= 1
            order[j] = item
