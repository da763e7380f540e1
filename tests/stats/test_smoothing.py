"""Switches inside spans equal a walk along every span, and smoothing tells regions from noise."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.stats.corpus import Corpus
from app.stats.events import FeatureEvents
from app.stats.smoothing import Smoothing, smoothing


def spans_by_hand(world: Any) -> list[list[float]]:
    """The activations of the counted tokens of every span."""
    found = []
    for context in range(world.corpus.n_contexts):
        for document in np.unique(world.corpus.document_ids[context]):
            mine = world.corpus.document_ids[context] == document
            firing = np.flatnonzero(mine & (world.dense[context] > 0))
            if firing.size >= 3:
                between = slice(firing[0], firing[-1] + 1)
                counted = world.corpus.counted[context, between]
                found.append(world.dense[context, between][counted].astype(float).tolist())
    return found


def switches(on: list[bool]) -> int:
    return sum(a != b for a, b in pairwise(on))


def smoothed(values: list[float]) -> list[bool]:
    mean = sum(values) / sum(value > 0 for value in values)
    around = [values[max(0, i - 2) : i + 3] for i in range(len(values))]
    return [sum(near) / len(near) >= mean / 2 * (1 - 1e-9) for near in around]


@given(data=st.data())
def test_switches_equal_brute_force(draw_world: Callable[..., Any], data: st.DataObject) -> None:
    world = draw_world(data)
    spans = spans_by_hand(world)
    found = smoothing(world.events, world.corpus, most_spans=10_000)
    assert found.n_spans == len(spans)
    assert found.n_tokens == sum(map(len, spans))
    assert found.n_switches == sum(switches([v > 0 for v in span]) for span in spans)
    assert found.n_smoothed == sum(switches(smoothed(span)) for span in spans)


@pytest.fixture
def long_corpus(make_corpus: Callable[..., Corpus]) -> Corpus:
    return make_corpus([[0] * 200] * 40)


def test_a_region_that_flickers_holds_together_when_smoothed(
    long_corpus: Corpus, make_events: Callable[..., FeatureEvents]
) -> None:
    """Single silent tokens inside runs vanish; the same firings in random order stay apart."""
    dense = np.zeros((40, 200), np.float32)
    dense[:, 20:60] = 5
    dense[:, 30:60:10] = 0  # holes of one token
    dense[:, 140:160] = 5  # a second stretch of the same document, far away
    found = smoothing(make_events(dense), long_corpus, most_spans=10_000)
    assert (found.n_spans, found.n_tokens) == (40, 40 * 140)
    assert found.n_switches == 40 * (2 * 3 + 2)
    assert found.n_smoothed == 40 * 2
    assert found.gone == pytest.approx(0.75)
    # Scattered, the same firings would switch eight times as often, and not only in holes.
    assert found.n_shuffled_switches > 8 * found.n_switches
    assert found.gone_by_chance is not None and found.gone_by_chance < 0.7


def test_firings_at_random_do_as_chance_does(
    long_corpus: Corpus, make_events: Callable[..., FeatureEvents]
) -> None:
    rng = np.random.default_rng(0)
    dense = np.where(rng.random((40, 200)) < 0.4, rng.gamma(3, 1, (40, 200)), 0)
    dense[:, 0] = 0
    found = smoothing(make_events(dense.astype(np.float32)), long_corpus, most_spans=10_000)
    assert found.gone is not None and found.gone_by_chance is not None
    # Some 3,800 switches: three standard errors of either share are about 0.03.
    assert found.gone == pytest.approx(found.gone_by_chance, abs=0.04)


def test_of_many_spans_a_seeded_few_are_looked_at(
    long_corpus: Corpus, make_events: Callable[..., FeatureEvents]
) -> None:
    rng = np.random.default_rng(0)
    dense = np.where(rng.random((40, 200)) < 0.4, 1, 0).astype(np.float32)
    dense[:, 0] = 0
    events = make_events(dense)
    few = smoothing(events, long_corpus, most_spans=7, seed=1)
    assert few.n_spans == 7
    assert few == smoothing(events, long_corpus, most_spans=7, seed=1)
    assert few != smoothing(events, long_corpus, most_spans=7, seed=2)


def test_without_spans_there_is_nothing(
    make_corpus: Callable[..., Corpus], make_events: Callable[..., FeatureEvents]
) -> None:
    corpus = make_corpus([[0, 1, 2, 3]])
    found = smoothing(make_events(np.array([[0, 1, 1, 0]], np.float32)), corpus, 10)
    assert found == Smoothing(0, 0, 0, 0, 0, 0)
    assert found.gone is None and found.gone_by_chance is None
    full = smoothing(make_events(np.array([[0, 1, 1, 1]], np.float32)), corpus, 10)
    assert full.n_spans == 1 and full.gone is None
