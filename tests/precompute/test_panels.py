"""What changes between statistics and records: names, dtypes, None, and the sparkline's scale."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.db.records import FeatureBundle
from app.precompute import panels
from app.precompute.ranges.describe import RangeStatistics, describe_events
from app.precompute.ranges.events import Ground, RangeEvents
from app.stats.corpus import Corpus
from app.stats.events import FeatureEvents
from app.stats.feature import StatisticsSettings, describe_feature

SHAPE = (9, 30)


def described(dense: np.ndarray) -> tuple[RangeStatistics, Corpus]:
    """The statistics of features [n_features, n_contexts, context_size] on a small corpus."""
    tokens = (np.arange(dense[0].size).reshape(dense[0].shape) % 7).astype(np.uint16)
    counted = np.ones(tokens.shape, np.bool_)
    counted[:, 0] = False
    corpus = Corpus(tokens, counted, np.zeros(tokens.shape, np.int32), 7, ["all"])
    feature, context, position = np.nonzero(dense * counted)
    events = RangeEvents(
        5,
        np.searchsorted(feature, np.arange(len(dense) + 1)),
        context.astype(np.int32),
        position.astype(np.int32),
        dense[feature, context, position],
        tokens[context, position].astype(np.uint32),
    )
    return describe_events(events, Ground.of(corpus), StatisticsSettings()), corpus


@pytest.fixture(scope="module")
def three() -> tuple[list[FeatureBundle], Corpus, np.ndarray]:
    """A feature that fires often, one that fires once, a dead one."""
    rng = np.random.default_rng(0)
    dense = np.zeros((3, *SHAPE), np.float32)
    dense[0, :, 1:] = np.where(rng.random((9, 29)) < 0.5, rng.gamma(2.0, size=(9, 29)), 0)
    dense[1, 2, 4] = 1.5
    found, corpus = described(dense)
    return list(panels.range_bundles(found)), corpus, dense


@settings(deadline=None)
@given(counts=st.lists(st.integers(0, 10**7), min_size=1, max_size=50))
def test_sparklines_keep_every_count_visible(counts: list[int]) -> None:
    alive = int(any(counts))
    found, _ = described(np.full((1, 2, 3), alive, np.float32))
    (bytes_,) = panels.sparklines(replace(found, histogram=np.array([counts])))
    if not alive:
        assert bytes_ == b""
        return
    assert max(bytes_) == bytes_[counts.index(max(counts))] == 255
    assert [height > 0 for height in bytes_] == [count > 0 for count in counts]


def test_a_dead_feature_has_no_panels(three) -> None:
    dead = three[0][2]
    assert set(vars(dead.panels).values()) == {None}
    assert dead.examples == {}
    record = dead.record
    assert (record.feature_index, record.n_active, record.density) == (7, 0, 0.0)
    assert record.sparkline == b"" and record.top_tokens == []
    assert record.max_activation is record.run_length is record.top_token_id is None


def test_hidden_pre_is_the_activation_where_it_fires_and_open_elsewhere(three) -> None:
    once = three[0][1]
    for name in ("top", "interval", "quantile"):
        assert once.examples[name].hidden_pre.tolist() == [1.5]
    silent = once.examples["silent"]
    assert np.isnan(silent.hidden_pre).all() and silent.context_id.size == 9
    locality = once.panels.locality
    assert locality is not None
    assert np.isnan(locality.span_fill)  # no span of three firings
    assert once.record.span_fill is None and once.record.run_length == 1.0
    assert once.record.std_activation == 0.0 and once.record.skewness is None


def test_records_say_what_the_definitions_say(three) -> None:
    bundles, corpus, dense = three
    bundle = bundles[0]
    context, position = np.nonzero(dense[0])
    events = FeatureEvents(
        5, context.astype(np.int32), position.astype(np.int32), dense[0, context, position], 30
    )
    expected = describe_feature(events, corpus)
    record, statistics, tokens = bundle.record, expected.statistics, expected.tokens
    assert record.feature_index == 5
    assert record.density == statistics.density
    assert record.kurtosis == statistics.kurtosis
    assert record.run_length == expected.locality.runs.mean_length
    assert record.span_fill == expected.locality.span_fill
    assert record.top_token_share == tokens.share[0] and record.top_token_rate == tokens.rate[0]
    assert record.top_tokens == tokens.token_id[:3].tolist()
    histogram, places = bundle.panels.histogram, bundle.panels.places
    locality, listed = bundle.panels.locality, bundle.panels.tokens
    assert histogram and places and locality and listed
    assert histogram.counts.tolist() == expected.histogram.counts.tolist()
    assert places.position_n_tokens.tolist() == corpus.counted_per_position.tolist()
    assert places.document_n_tokens.tolist() == [corpus.n_tokens]
    assert listed.n_token_ids == 7 and listed.left_out_n_active == 0
    assert locality.single_run_share == expected.locality.runs.share_single
    assert locality.firings_per_context == expected.locality.firings_per_context
    for group in expected.groups:
        found = bundle.examples[group.examples.group]
        assert found.context_id.tolist() == group.examples.context_id.tolist()
        assert found.window_start.tolist() == group.windows.start.tolist()
        assert found.window_stop.tolist() == group.windows.stop.tolist()
        assert found.firing_indptr.tolist() == group.activations.indptr.tolist()
        assert found.firing_position.tolist() == group.activations.position.tolist()
        assert found.band_share.tolist() == group.examples.bands.share.tolist()
        assert found.n_candidates == group.examples.n_candidates
