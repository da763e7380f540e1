"""Streaming, pruning and merging keep what sorting all scores would keep."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.stats.rankings import Ranking, TokenRanking, TokenRankings
from app.stats.tokens import TokenTable

D_VOCAB, D_SAE = 6, 40


def scores_of(seed: int) -> np.ndarray:
    """[D_SAE, D_VOCAB] scores with many ties; NaN where a feature has none."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 8, (D_SAE, D_VOCAB)) / 8
    return np.where(rng.random(scores.shape) < 0.4, np.nan, scores)


def check(found: Ranking, scores: np.ndarray, n: int) -> None:
    for token in range(D_VOCAB):
        column = scores[:, token]
        ranked = sorted(np.flatnonzero(~np.isnan(column)), key=lambda f: (-column[f], f))
        features, kept = found.of(token)
        assert features.tolist() == ranked[:n]
        assert kept.tolist() == column[ranked[:n]].tolist()
        assert found.n_features[token] == len(ranked)
        rows = slice(found.indptr[token], found.indptr[token + 1])
        assert found.n_active.size == found.share.size == found.score.size
        if found.n_active.any():  # counts stay with their pair
            assert found.n_active[rows].tolist() == [100 * f + token for f in ranked[:n]]
            assert found.share[rows].tolist() == [f + token / 8 for f in ranked[:n]]


def add_feature(ranking: TokenRanking, scores: np.ndarray, feature: int) -> None:
    tokens = np.flatnonzero(~np.isnan(scores[feature]))
    ranking.add_feature(
        feature, tokens, scores[feature, tokens], 100 * feature + tokens, feature + tokens / 8
    )


any_order = st.permutations(range(D_SAE))
sizes = {"n": st.integers(1, 50), "buffer_size": st.integers(1, 300)}


@given(seed=st.integers(0, 99), order=any_order, **sizes)
def test_features_in_any_order(seed: int, order: list[int], n: int, buffer_size: int) -> None:
    scores, ranking = scores_of(seed), TokenRanking(D_VOCAB, n, buffer_size)
    for feature in order:
        add_feature(ranking, scores, feature)
    check(ranking.result(), scores, n)


@given(seed=st.integers(0, 99), block=st.integers(1, D_SAE), **sizes)
def test_dense_blocks(seed: int, block: int, n: int, buffer_size: int) -> None:
    scores, ranking = scores_of(seed), TokenRanking(D_VOCAB, n, buffer_size)
    for start in range(0, D_SAE, block):
        ranking.add_dense(start, scores[start : start + block])
    check(ranking.result(), scores, n)


@given(seed=st.integers(0, 99), order=any_order, split=st.integers(0, D_SAE), **sizes)
def test_merging_equals_one_pass(
    seed: int, order: list[int], split: int, n: int, buffer_size: int
) -> None:
    scores = scores_of(seed)
    first, second = (TokenRanking(D_VOCAB, n, buffer_size) for _ in range(2))
    for feature in order[:split]:
        add_feature(first, scores, feature)
    for feature in order[split:]:
        add_feature(second, scores, feature)
    first.merge(second)
    check(first.result(), scores, n)


def test_other_sizes_cannot_be_merged() -> None:
    with pytest.raises(ValueError, match="cannot be merged"):
        TokenRanking(5, 10).merge(TokenRanking(6, 10))


def test_memory_is_bounded_by_what_is_kept() -> None:
    ranking = TokenRanking(D_VOCAB, 2, buffer_size=10)
    tokens = np.arange(D_VOCAB)
    for feature in range(1000):
        ranking.add_feature(feature, tokens, np.full(D_VOCAB, feature / 1000))
        assert ranking._n_buffered <= 12
    assert ranking.result().of(3)[0].tolist() == [999, 998]


@given(seed=st.integers(0, 99), order=any_order, **sizes)
def test_counts_stay_beside_their_scores(
    seed: int, order: list[int], n: int, buffer_size: int
) -> None:
    scores, ranking = scores_of(seed), TokenRanking(D_VOCAB, n, buffer_size)
    for feature in order:
        tokens = np.flatnonzero(~np.isnan(scores[feature]))
        counts = feature * D_VOCAB + tokens
        ranking.add_feature(feature, tokens, scores[feature, tokens], counts, counts / 1000)
    found = ranking.result()
    token = np.repeat(np.arange(D_VOCAB), np.diff(found.indptr))
    expected = found.feature_index * D_VOCAB + token
    assert found.n_active.tolist() == expected.tolist()
    assert found.share.tolist() == (expected / 1000).tolist()


def test_both_rankings_of_events() -> None:
    rankings, other = TokenRankings(D_VOCAB), TokenRankings(D_VOCAB)
    ids, ones = np.array([1, 4]), np.array([1.0, 1.0], dtype=np.float32)
    rankings.add(0, TokenTable(ids, np.array([1, 2]), np.array([10, 2]), np.array([3.0, 1]), ones))
    other.add(1, TokenTable(ids[:1], np.array([5]), np.array([10]), np.array([2.0]), ones[:1]))
    rankings.merge(other)
    fires, rate = rankings.fires.result(), rankings.rate.result()
    assert [column.tolist() for column in fires.of(1)] == [[1, 0], [1.0, 0.75]]
    assert [column.tolist() for column in rate.of(1)] == [[1, 0], [0.5, 0.1]]
    assert [column.tolist() for column in rate.of(4)] == [[0], [1.0]]
