"""Blocks of scores in any order keep what sorting all of them would keep."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from app.precompute.ranges.dense_ranking import DenseRanking

D_VOCAB, D_SAE = 6, 40


@settings(deadline=None)  # the first example waits for the compiler
@given(
    seed=st.integers(0, 99),
    cuts=st.lists(st.integers(0, D_SAE), max_size=5),
    n=st.integers(1, 50),
    sign=st.sampled_from([1, -1]),
    data=st.data(),
)
def test_equal_to_sorting_all(
    seed: int, cuts: list[int], n: int, sign: int, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    scores = (rng.integers(-4, 4, (D_SAE, D_VOCAB)) / 8).astype(np.float32)  # with many ties
    scores[rng.random(scores.shape) < 0.4] = np.nan
    borders = [0, *sorted(cuts), D_SAE]
    ranking = DenseRanking(D_VOCAB, n)
    for first, stop in data.draw(st.permutations(list(pairwise(borders)))):
        ranking.add(first, scores[first:stop], sign)
    found = ranking.result()
    for token in range(D_VOCAB):
        column = sign * scores[:, token]
        ranked = sorted(np.flatnonzero(~np.isnan(column)), key=lambda f, by=column: (-by[f], f))
        features, kept = found.of(token)
        assert features.tolist() == ranked[:n]
        assert kept.tolist() == column[ranked[:n]].tolist()
        assert found.n_features[token] == len(ranked)
