"""Flicker equals a walk through every span of the sample."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.stats.corpus import Corpus
from app.stats.events import FeatureEvents
from app.stats.flicker import flicker


@given(data=st.data(), threshold=st.sampled_from([0.0, 1.0, 5.0]))
def test_flicker_equals_brute_force(
    draw_world: Callable[..., Any], data: st.DataObject, threshold: float
) -> None:
    world = draw_world(data)
    corpus = world.corpus
    sampled = np.arange(0, corpus.n_contexts, 2)
    hidden_pre = np.full(corpus.tokens.shape, threshold, np.float32)
    hidden_pre -= np.random.default_rng(1).integers(0, 8, hidden_pre.shape) / 4
    counted = corpus.counted.copy()
    counted[np.setdiff1d(np.arange(corpus.n_contexts), sampled)] = False
    places = np.flatnonzero(counted.reshape(-1))
    firing_values = world.dense[world.dense > 0].astype(np.float64)
    mean = firing_values.mean() if firing_values.size else 0.0
    expected = [0, 0, 0]
    for context in sampled:
        for document in np.unique(corpus.document_ids[context]):
            mine = corpus.document_ids[context] == document
            firing = np.flatnonzero(mine & (world.dense[context] > 0))
            if firing.size < 3:
                continue
            expected[0] += 1
            for position in range(firing[0], firing[-1]):
                if corpus.counted[context, position] and world.dense[context, position] == 0:
                    expected[1] += 1
                    missing = threshold - float(hidden_pre[context, position])
                    expected[2] += missing <= 0.1 * mean + 1e-12
    found = flicker(hidden_pre.reshape(-1)[places], places, threshold, world.events, corpus)
    assert found is not None
    assert [found.n_spans, found.n_silent, found.n_near] == expected
    assert found.share == (expected[2] / expected[1] if expected[1] else None)


def test_by_hand(
    make_corpus: Callable[..., Corpus], make_events: Callable[..., FeatureEvents]
) -> None:
    corpus = make_corpus([[0, 1, 2, 3, 4, 5, 6, 7]] * 2)
    dense = np.array([[0, 10, 0, 10, 0, 0, 10, 0], [0, 10, 0, 10, 0, 0, 0, 0]], np.float32)
    events, places = make_events(dense), np.flatnonzero(corpus.flat_counted)
    hidden_pre = np.array([[9, 12, 1.5, 12, 0.9, 1, 12, 1.9]] * 2, np.float32).reshape(-1)
    found = flicker(hidden_pre[places], places, 2.0, events, corpus)
    # Within 1 (a tenth of 10) below 2: position 2 and, exactly at the border, position 5.
    assert found is not None
    assert (found.n_spans, found.n_silent, found.n_near) == (1, 3, 2)
    assert found.share == pytest.approx(2 / 3)


def test_without_a_threshold_of_its_own_there_is_no_distance(
    make_corpus: Callable[..., Corpus], make_events: Callable[..., FeatureEvents]
) -> None:
    corpus = make_corpus([[0, 1, 2, 3]])
    events = make_events(np.array([[0, 1, 1, 1]], np.float32))
    places = np.flatnonzero(corpus.flat_counted)
    assert flicker(np.zeros(3, np.float32), places, None, events, corpus) is None
    found = flicker(np.zeros(3, np.float32), places, 0.0, events, corpus)
    assert found is not None and found.n_spans == 1 and found.share is None
