"""Ranges, cuts and any order of ranges keep what sorting all pairs would keep."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.precompute.ranges import rankings
from app.precompute.ranges.ranking import Ranking
from app.precompute.ranges.rankings import PairRankings, RankedPairs, range_pairs
from app.precompute.ranges.tokens import RangeTokens

D_VOCAB, D_SAE = 6, 60


def pairs_of(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """([D_SAE, D_VOCAB] firings, 0 where there are none; shares with many ties; occurrences)."""
    rng = np.random.default_rng(seed)
    occurrences = rng.integers(8, 12, D_VOCAB)
    n_active = rng.integers(0, 8, (D_SAE, D_VOCAB))
    share = rng.integers(1, 9, (D_SAE, D_VOCAB)) / 8
    return n_active, share, occurrences


def part_of(n_active: np.ndarray, share: np.ndarray, first: int, stop: int) -> RankedPairs:
    feature, token = np.nonzero(n_active[first:stop])
    return RankedPairs(
        token.astype(np.int32),
        (first + feature).astype(np.int32),
        n_active[first + feature, token].astype(np.int32),
        share[first + feature, token],
        (n_active[first:stop] > 0).sum(axis=0).astype(np.int32),
    )


def check(found: Ranking, score: np.ndarray, n_active: np.ndarray, share: np.ndarray, n: int):
    for token in range(D_VOCAB):
        column = score[:, token]
        ranked = sorted(np.flatnonzero(n_active[:, token]), key=lambda f, by=column: (-by[f], f))
        features, kept = found.of(token)
        assert features.tolist() == ranked[:n]
        assert kept.tolist() == column[ranked[:n]].tolist()
        rows = slice(found.indptr[token], found.indptr[token + 1])
        assert found.n_active[rows].tolist() == n_active[ranked[:n], token].tolist()
        assert found.share[rows].tolist() == share[ranked[:n], token].tolist()
        assert found.n_features[token] == len(ranked)


@settings(deadline=None)  # the first example waits for the compiler
@given(
    seed=st.integers(0, 99),
    cuts=st.lists(st.integers(0, D_SAE), max_size=6),
    n=st.integers(1, 70),
    held=st.integers(0, 300),
    data=st.data(),
)
def test_equal_to_sorting_all(
    seed: int, cuts: list[int], n: int, held: int, data: st.DataObject
) -> None:
    n_active, share, occurrences = pairs_of(seed)
    borders = [0, *sorted(cuts), D_SAE]
    parts = data.draw(st.permutations(list(pairwise(borders))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rankings, "_FEWEST_HELD", held)
        ranking = PairRankings(occurrences, n)
        for part in parts:
            ranking.add(part_of(n_active, share, *part))
        fires, rate = ranking.result()
    check(fires, share, n_active, share, n)
    check(rate, n_active / occurrences, n_active, share, n)


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rankings, "_FEWEST_HELD", 50)
    ranking = PairRankings(np.full(D_VOCAB, 10**6), 2)
    for seed in range(100):
        n_active, share, _ = pairs_of(seed)
        part = part_of(n_active, share, 0, D_SAE)
        ranking.add(replace(part, feature_index=part.feature_index + np.int32(seed * D_SAE)))
        assert ranking._n_held <= 2 * rankings._WORTHWHILE * 2 * 2 * D_VOCAB


@pytest.mark.parametrize("n", [2, 100])
def test_a_range_hands_over_what_can_matter(n: int) -> None:
    n_active, share, occurrences = pairs_of(1)
    feature, token = np.nonzero(n_active)
    indptr = np.concatenate([[0], np.cumsum((n_active > 0).sum(axis=1))])
    mass = share[feature, token]
    total = np.array([mass[a:b].sum() for a, b in pairwise(indptr)])
    none = np.zeros(D_SAE, np.int64)
    tokens = RangeTokens(
        indptr, token.astype(np.int32), n_active[feature, token].astype(np.int32), mass,
        mass.astype(np.float32), token.astype(np.int32), total, none, none, np.zeros(D_SAE),
    )  # fmt: skip
    found = range_pairs(tokens, 1000, occurrences, n)
    assert found.n_features.tolist() == (n_active > 0).sum(axis=0).tolist()
    assert (found.share.size < mass.size) == (n == 2)
    whole = RankedPairs(
        tokens.token_id, 1000 + feature.astype(np.int32), tokens.n_active, tokens.share(),
        found.n_features,
    )  # fmt: skip
    results = []
    for pairs in (found, whole):
        ranking = PairRankings(occurrences, n)
        ranking.add(pairs)
        results.append(ranking.result())
    np.testing.assert_equal(
        [vars(ranking) for ranking in results[0]], [vars(ranking) for ranking in results[1]]
    )
