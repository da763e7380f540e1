"""Rankings of ranges, joined, are the ranking of all features at once."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from app.precompute.ranges.dense_ranking import DenseRanking
from app.precompute.ranges.ranking import Ranking
from app.precompute.weights.token_features import N_STRONGEST, JoinedRanking, TokenFeatures

D_VOCAB, D_SAE = 5, 3 * N_STRONGEST


def ranked(scores: np.ndarray, first: int = 0) -> Ranking:
    ranking = DenseRanking(D_VOCAB, N_STRONGEST)
    ranking.add(first, scores, 1)
    return ranking.result()


@settings(deadline=None, max_examples=30)  # the first example waits for the compiler
@given(seed=st.integers(0, 99), cuts=st.lists(st.integers(0, D_SAE), max_size=4))
def test_cuts_change_nothing(seed: int, cuts: list[int]) -> None:
    rng = np.random.default_rng(seed)
    scores = (rng.integers(-9, 9, (D_SAE, D_VOCAB)) / 8).astype(np.float32)  # with many ties
    scores[rng.random(scores.shape) < rng.random(D_VOCAB)] = np.nan
    scores[:, 0] = np.nan  # a token that is left out
    borders = [0, *sorted(cuts), D_SAE]
    ranking = JoinedRanking(D_VOCAB)
    for first, stop in pairwise(borders):
        ranking.add(TokenFeatures.of(ranked(scores[first:stop], first)))
    found, expected = ranking.result(), ranked(scores)
    for name, value in vars(expected).items():
        assert np.array_equal(getattr(found, name), value), name
        assert getattr(found, name).dtype == value.dtype, name


def test_no_part_is_no_feature() -> None:
    assert JoinedRanking(D_VOCAB).result().n_features.tolist() == [0] * D_VOCAB
