"""What changes between statistics and records: names, dtypes, None, and the sparkline's scale."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.precompute import panels
from app.stats.corpus import Corpus
from app.stats.events import FeatureEvents
from app.stats.feature import describe_feature
from app.stats.histogram import Histogram


@given(counts=st.lists(st.integers(0, 10**7), min_size=1, max_size=50))
def test_sparklines_keep_every_count_visible(counts: list[int]) -> None:
    bytes_ = panels.sparkline(Histogram(np.zeros(len(counts) + 1), np.array(counts)))
    if not any(counts):
        assert bytes_ == b""
        return
    assert max(bytes_) == bytes_[counts.index(max(counts))] == 255
    assert [height > 0 for height in bytes_] == [count > 0 for count in counts]


def test_a_dead_feature_has_no_panels() -> None:
    none = np.zeros(0, np.int32)
    tokens = np.ones((2, 4), np.uint16)
    counted = np.array([[False, True, True, True]] * 2)
    corpus = Corpus(tokens, counted, np.zeros((2, 4), np.int32), 5, ["all"])
    events = FeatureEvents(0, none, none, np.zeros(0, np.float32), 4)
    dead = describe_feature(events, corpus)
    assert panels.histogram_panel(dead) is None
    assert panels.token_panel(dead) is None
    assert panels.locality_panel(dead) is None
    assert panels.places_panel(dead) is None
    assert panels.sparkline(dead.histogram) == b""
    assert panels.example_groups(dead) == {}


def test_hidden_pre_is_the_activation_where_it_fires_and_open_elsewhere() -> None:
    tokens = np.ones((2, 4), np.uint16)
    counted = np.array([[False, True, True, True]] * 2)
    corpus = Corpus(tokens, counted, np.full((2, 4), -1, np.int32), 5)
    firing = FeatureEvents(
        0, np.array([0], np.int32), np.array([2], np.int32), np.array([1.5], np.float32), 4
    )
    described = describe_feature(firing, corpus)
    groups = panels.example_groups(described)
    for name in ("top", "interval", "quantile"):
        assert groups[name].hidden_pre.tolist() == [1.5]
    assert np.isnan(groups["silent"].hidden_pre).all()
    assert groups["silent"].context_id.size == 2
    locality = panels.locality_panel(described)
    assert locality is not None
    assert np.isnan(locality.span_fill)  # no span of three firings
