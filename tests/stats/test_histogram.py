"""Bins, positions and documents are counted exactly, on edges too."""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.stats.events import FeatureEvents
from app.stats.histogram import activation_histogram, document_density, position_density


@given(data=st.data())
def test_bins_equal_brute_force(draw_world: Callable[..., Any], data: st.DataObject) -> None:
    world = draw_world(data)
    found = activation_histogram(world.events)
    active = [float(a) for a in world.dense.reshape(-1) if a > 0]
    if not active:
        assert found.edges.size == found.counts.size == 0
        return
    edges = [max(active) * j / 50 for j in range(51)]
    assert found.edges.tolist() == edges
    expected = [sum(edges[j] < a <= edges[j + 1] for a in active) for j in range(50)]
    assert found.counts.tolist() == expected
    assert found.counts.sum() == len(active)


def test_a_value_on_an_edge_falls_below_it(make_events: Callable[..., FeatureEvents]) -> None:
    dense = np.arange(1, 51, dtype=np.float32)[None]  # every value is the upper edge of its bin
    assert activation_histogram(make_events(dense)).counts.tolist() == [1] * 50


@given(data=st.data())
def test_positions_equal_brute_force(draw_world: Callable[..., Any], data: st.DataObject) -> None:
    world = draw_world(data)
    found = position_density(world.events, world.corpus)
    assert found.n_active.tolist() == (world.dense > 0).sum(axis=0).tolist()
    assert found.n_tokens.tolist() == world.corpus.counted.sum(axis=0).tolist()


@given(data=st.data(), n=st.integers(1, 4))
def test_documents_equal_brute_force(
    draw_world: Callable[..., Any], data: st.DataObject, n: int
) -> None:
    world = draw_world(data)
    found = document_density(world.events, world.corpus, n)
    ids = world.corpus.document_ids
    firing = ids[world.dense > 0].tolist()
    ranked = sorted({d for d in firing if d >= 0}, key=lambda d: (-firing.count(d), d))
    assert found.n_documents == len(ranked)
    assert found.document_ids.tolist() == ranked[:n]
    assert found.n_active.tolist() == [firing.count(d) for d in ranked[:n]]
    counted = ids[world.corpus.counted].tolist()
    assert found.n_tokens.tolist() == [counted.count(d) for d in ranked[:n]]
