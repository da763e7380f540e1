"""Switches of a range are those of its features one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.precompute.ranges.events import Ground, RangeEvents
from app.precompute.ranges.switches import range_switches
from app.stats.corpus import Corpus
from app.stats.events import FeatureEvents
from app.stats.smoothing import smoothing

N_FEATURES, FIRST = 6, 4


def random_corpus(rng: np.random.Generator) -> Corpus:
    shape = (int(rng.integers(1, 9)), int(rng.choice([5, 30, 80])))
    counted = rng.random(shape) < 0.85
    counted[:, 0] = False
    documents = np.cumsum(rng.random(shape[0] * shape[1]) < 0.1).reshape(shape)
    names = [str(i) for i in range(int(documents.max()) + 1)]
    tokens = rng.integers(0, 9, shape).astype(np.uint16)
    return Corpus(tokens, counted, documents.astype(np.int32), 9, names)


@settings(deadline=None, max_examples=80)
@given(
    seed=st.integers(0, 2**32 - 1),
    most_spans=st.sampled_from([1, 3, 1000]),
    whole=st.booleans(),
)
def test_equal_to_one_by_one(seed: int, most_spans: int, whole: bool) -> None:
    rng = np.random.default_rng(seed)
    corpus = random_corpus(rng)
    density = rng.choice([0, 0.1, 0.5, 1], N_FEATURES)[:, None, None]
    sizes = (N_FEATURES, *corpus.tokens.shape)
    drawn = rng.integers(1, 4, sizes) if whole else rng.gamma(2.0, size=sizes)
    dense = np.where((rng.random(sizes) < density) & corpus.counted, drawn, 0).astype(np.float32)
    feature, context, position = np.nonzero(dense)
    events = RangeEvents(
        FIRST,
        np.searchsorted(feature, np.arange(N_FEATURES + 1)),
        context.astype(np.int32),
        position.astype(np.int32),
        dense[feature, context, position],
        corpus.tokens[context, position].astype(np.uint32),
    )
    found = range_switches(events, Ground.of(corpus), most_spans, seed=7)
    for row in range(N_FEATURES):
        own = slice(events.indptr[row], events.indptr[row + 1])
        one = FeatureEvents(
            FIRST + row,
            events.context_id[own],
            events.position[own],
            events.activation[own],
            corpus.context_size,
        )
        assert found.of(row) == smoothing(one, corpus, most_spans, seed=7)


@pytest.mark.parametrize("n", [0, 1])
def test_nothing_where_nothing_fires(n: int) -> None:
    corpus = random_corpus(np.random.default_rng(0))
    nothing = np.zeros(0, np.int32)
    events = RangeEvents(
        0, np.zeros(n + 1, np.int64), nothing, nothing,
        nothing.astype(np.float32), nothing.astype(np.uint32),
    )  # fmt: skip
    assert not range_switches(events, Ground.of(corpus), 5, 0).counts.any()
