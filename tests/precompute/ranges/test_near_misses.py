"""Near misses and flicker of a range are those of its features one by one, in any blocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.precompute.ranges import near_misses as module
from app.precompute.ranges.events import Ground, RangeEvents
from app.precompute.ranges.near_misses import no_near_misses, range_near_misses
from app.stats.corpus import Corpus
from app.stats.events import FeatureEvents
from app.stats.flicker import Flicker, flicker
from app.stats.hidden_pre import HiddenPreSample
from app.stats.silent import near_misses

N_FEATURES, FIRST = 6, 4


def random_corpus(rng: np.random.Generator) -> Corpus:
    shape = (int(rng.integers(1, 9)), int(rng.choice([2, 5, 30])))
    tokens = rng.integers(0, 9, shape).astype(np.uint16)
    counted = rng.random(shape) < 0.85
    counted[:, 0] = False
    documents = np.cumsum(rng.random(shape[0] * shape[1]) < 0.1).reshape(shape)
    names = [str(i) for i in range(int(documents.max()) + 1)]
    return Corpus(tokens, counted, documents.astype(np.int32), 9, names)


def sample_of(rng: np.random.Generator, corpus: Corpus) -> HiddenPreSample:
    """Some contexts, in two shards; values of which many are equal and some are infinite."""
    chosen = np.sort(rng.permutation(corpus.n_contexts)[: int(rng.integers(0, 7))])
    inside = corpus.counted & np.isin(np.arange(corpus.n_contexts), chosen)[:, None]
    places = np.flatnonzero(inside.reshape(-1))
    values = rng.integers(-4, 5, (FIRST + N_FEATURES, places.size)).astype(np.float16) / 4
    values[rng.random(values.shape) < 0.05] = -np.inf
    cut = int(rng.integers(0, places.size + 1))
    return HiddenPreSample(places, [values[:, :cut], values[:, cut:]])


@settings(deadline=None, max_examples=80)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.sampled_from([0, 1, 3, 10]),
    own_threshold=st.booleans(),
    at_once=st.sampled_from([1, 60, 10**6]),
)
def test_equal_to_one_by_one(seed: int, n: int, own_threshold: bool, at_once: int) -> None:
    rng = np.random.default_rng(seed)
    corpus = random_corpus(rng)
    density = rng.choice([0, 0.05, 0.5, 1], N_FEATURES)[:, None, None]
    dense = np.where(
        (rng.random((N_FEATURES, *corpus.tokens.shape)) < density) & corpus.counted,
        rng.gamma(2.0, size=(N_FEATURES, *corpus.tokens.shape)),
        0,
    ).astype(np.float32)
    feature, context, position = np.nonzero(dense)
    events = RangeEvents(
        FIRST,
        np.searchsorted(feature, np.arange(N_FEATURES + 1)),
        context.astype(np.int32),
        position.astype(np.int32),
        dense[feature, context, position],
        corpus.tokens[context, position].astype(np.uint32),
    )
    sample = sample_of(rng, corpus)
    threshold = rng.integers(0, 3, N_FEATURES) / 2 if own_threshold else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "VALUES_AT_ONCE", at_once)
        found = range_near_misses(events, Ground.of(corpus), sample, threshold, n)
    assert found.first == FIRST
    examples = found.examples
    for row in range(N_FEATURES):
        one = FeatureEvents(FIRST + row, *columns_of(events, row), corpus.context_size)
        column = sample.features(FIRST + row, FIRST + row + 1)[0]
        own = slice(int(examples.indptr[row]), int(examples.indptr[row + 1]))
        if one.n_active == 0:
            assert own.start == own.stop and examples.n_candidates[row] == 0
            continue
        expected = near_misses(column, sample.places, one, corpus, n)
        assert examples.context_id[own].tolist() == expected.context_id.tolist()
        assert examples.position[own].tolist() == expected.position.tolist()
        assert found.hidden_pre[own].tolist() == expected.hidden_pre.tolist()
        assert examples.n_candidates[row] == expected.n_candidates
        for example in range(own.start, own.stop):
            inside = slice(*examples.firing_indptr[example : example + 2])
            firing = np.flatnonzero(dense[row, examples.context_id[example]])
            assert examples.firing_position[inside].tolist() == firing.tolist()
        limit = None if threshold is None else float(threshold[row])
        counts = flicker(column, sample.places, limit, one, corpus) or Flicker(0, 0, 0)
        assert found.n_spans[row] == counts.n_spans
        assert found.n_span_silent[row] == counts.n_silent
        assert found.n_span_near[row] == counts.n_near


def columns_of(events: RangeEvents, row: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    own = slice(int(events.indptr[row]), int(events.indptr[row + 1]))
    return events.context_id[own], events.position[own], events.activation[own]


def test_without_a_sample_there_are_none() -> None:
    found = no_near_misses(7, 3)
    assert found.examples.indptr.tolist() == [0, 0, 0, 0]
    assert found.hidden_pre.size == 0 and found.n_spans.tolist() == [0, 0, 0]
