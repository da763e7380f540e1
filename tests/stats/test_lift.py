"""Lift and its null equal a look at every pair of tokens."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.stats import lift as lift_module
from app.stats.corpus import Corpus
from app.stats.events import FeatureEvents
from app.stats.lift import lift_curve, pairs_by_bits, pairs_by_visiting
from app.stats.permutation import PlaceHash
from app.stats.tokens import token_table


@given(data=st.data(), n_lags=st.sampled_from([1, 5, 64]))
def test_equal_to_brute_force(
    draw_world: Callable[..., Any], data: st.DataObject, n_lags: int
) -> None:
    world = draw_world(data)
    corpus, dense = world.corpus, world.dense
    found = lift_curve(world.events, token_table(world.events, corpus), corpus, n_lags)
    if world.events.n_active == 0:
        assert found.lift == found.null == [None] * n_lags
        return
    density = (dense > 0).sum() / corpus.counted.sum()
    rate = rates(world)
    for lag in range(1, n_lags + 1):
        size = max(corpus.context_size - lag, 0)
        there = (dense[:, :size] > 0) & corpus.counted[:, lag:]
        both = there & (dense[:, lag:] > 0)
        assert found.n_pairs[lag - 1] == there.sum()
        assert found.n_both[lag - 1] == both.sum()
        value, null = found.lift[lag - 1], found.null[lag - 1]
        if not there.any():
            assert value is null is None
            continue
        assert value == pytest.approx(both.sum() / there.sum() / density)
        expected = rate[corpus.tokens[:, lag:][there]].mean() / density
        assert null == pytest.approx(expected)


def rates(world: Any) -> np.ndarray:
    """Firing rate of each token id over its counted occurrences."""
    tokens, counted = world.corpus.tokens, world.corpus.counted
    ids = range(world.corpus.d_vocab)
    fires = np.array([(world.dense[tokens == t] > 0).sum() for t in ids])
    return fires / np.maximum([((tokens == t) & counted).sum() for t in ids], 1)


@given(data=st.data(), n_lags=st.sampled_from([1, 5, 64, 100]))
def test_both_ways_of_counting_pairs(
    draw_world: Callable[..., Any], data: st.DataObject, n_lags: int
) -> None:
    events = draw_world(data).events
    if events.n_active:
        visited = pairs_by_visiting(events, n_lags)
        np.testing.assert_array_equal(pairs_by_bits(events, n_lags), visited)


def test_the_null_of_a_frequent_feature_is_a_seeded_sample(
    make_corpus: Callable[..., Corpus],
    make_events: Callable[..., FeatureEvents],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lift_module, "NULL_SAMPLE", 3)
    corpus = make_corpus([[0, 1, 2, 1, 3, 2, 1, 0]] * 4)
    dense = np.where(np.isin(corpus.tokens, [1, 2]), 1, 0).astype(np.float32)
    dense[2:, 2] = 0
    events = make_events(dense)
    table = token_table(events, corpus)
    found = lift_curve(events, table, corpus, n_lags=1)
    assert found.n_null_sample == 3
    hashes = PlaceHash(0, events.feature_index, corpus.tokens.size).of(events.places)
    sample = events.places[np.argsort(hashes)[:3]]
    rate = dict(zip(table.token_id.tolist(), table.rate.tolist(), strict=True))
    following = [rate.get(int(corpus.flat_tokens[p + 1]), 0.0) for p in sample if p % 8 < 7]
    density = events.n_active / corpus.n_tokens
    assert found.null[0] == pytest.approx(np.mean(following) / density)
