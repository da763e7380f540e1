"""Examples are those that sorting everything and walking down the list would choose."""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.stats.corpus import Corpus
from app.stats.events import FeatureEvents
from app.stats.examples import (
    draw_one_per_context,
    interval_examples,
    quantile_examples,
    top_examples,
)
from app.stats.permutation import PlaceHash

Firing = tuple[int, int, float]  # context, position, activation


def firings_of(world: Any) -> list[Firing]:
    """In the order (context, position)."""
    places = np.argwhere(world.dense > 0).tolist()
    return [(c, p, float(world.dense[c, p])) for c, p in places]


def shown(examples: Any) -> list[Firing]:
    columns = examples.context_id, examples.position, examples.activation
    return list(zip(*(column.tolist() for column in columns), strict=True))


def drawn_by_hand(world: Any, firings: list[Firing], k: int, seed: int) -> list[Firing]:
    """The smallest hashes, one per context."""
    size = world.corpus.context_size
    hashing = PlaceHash(seed, world.events.feature_index, world.corpus.tokens.size)
    places = np.array([c * size + p for c, p, _ in firings], dtype=np.int64)
    hashes = hashing.of(places).tolist()
    chosen: dict[int, Firing] = {}
    for _, firing in sorted(zip(hashes, firings, strict=True)):
        chosen.setdefault(firing[0], firing)
    return list(chosen.values())[:k]


@given(data=st.data(), n=st.integers(1, 4), before=st.sampled_from([0, 1, 2, 47]))
def test_top_equals_brute_force(
    draw_world: Callable[..., Any], data: st.DataObject, n: int, before: int
) -> None:
    world = draw_world(data)
    found = top_examples(world.events, world.corpus, n, before)
    ranked: dict[int, Firing] = {}
    for firing in sorted(firings_of(world), key=lambda f: (-f[2], f[0], f[1])):
        ranked.setdefault(firing[0], firing)
    expected: dict[tuple[int, ...], tuple[Firing, int]] = {}
    for c, p, activation in ranked.values():
        key = tuple(world.corpus.tokens[c, max(0, p - before) : p + 1].tolist())
        if key not in expected and len(expected) == n:
            break
        first, repeats = expected.get(key, ((c, p, activation), 0))
        expected[key] = first, repeats + 1
    assert shown(found) == [first for first, _ in expected.values()]
    assert found.repeats.tolist() == [repeats for _, repeats in expected.values()]
    assert found.n_candidates == len(ranked)
    assert (found.band == -1).all()


def test_identical_texts_are_one_example(
    make_corpus: Callable[..., Corpus], make_events: Callable[..., FeatureEvents]
) -> None:
    """Rows 0, 2 and 3 read alike up to the peak; row 1 starts otherwise."""
    corpus = make_corpus([[1, 2, 3, 4], [9, 2, 3, 4], [1, 2, 3, 5], [1, 2, 3, 6]])
    dense = np.zeros((4, 4), dtype=np.float32)
    dense[:, 2] = [5, 4, 3, 2]
    found = top_examples(make_events(dense), corpus, n=20)
    assert found.context_id.tolist() == [0, 1]
    assert found.repeats.tolist() == [3, 1]
    only = top_examples(make_events(dense), corpus, n=1)
    assert only.repeats.tolist() == [1]  # row 1, ranked second, is not shown: counting ends there
    near = top_examples(make_events(dense), corpus, n=1, window_before=1)
    assert near.repeats.tolist() == [4]  # the window of two tokens is the same everywhere


def test_many_repeats_are_all_looked_at(
    make_corpus: Callable[..., Corpus], make_events: Callable[..., FeatureEvents]
) -> None:
    corpus = make_corpus([[1, 2, 3]] * 500 + [[4, 5, 6]])
    dense = np.zeros((501, 3), dtype=np.float32)
    dense[:, 2] = np.linspace(9, 1, 501)
    found = top_examples(make_events(dense), corpus, n=2)
    assert found.context_id.tolist() == [0, 500]
    assert found.repeats.tolist() == [500, 1]


@given(data=st.data(), k=st.integers(1, 3), seed=st.integers(0, 3))
def test_intervals_equal_brute_force(
    draw_world: Callable[..., Any], data: st.DataObject, k: int, seed: int
) -> None:
    world = draw_world(data)
    found = interval_examples(world.events, world.corpus, 5, k, seed)
    firings = firings_of(world)
    if not firings:
        assert found.context_id.size == found.bands.low.size == 0
        return
    top = max(f[2] for f in firings)
    low, high = [top * b / 5 for b in range(5)], [top * (b + 1) / 5 for b in range(5)]
    bands = [[f for f in firings if low[b] < f[2] <= high[b]] for b in range(5)]
    assert (found.bands.low.tolist(), found.bands.high.tolist()) == (low, high)
    assert found.bands.n_active.tolist() == [len(band) for band in bands]
    assert found.bands.share.tolist() == [len(band) / len(firings) for band in bands]
    drawn = [drawn_by_hand(world, band, k, seed) for band in bands]
    assert shown(found) == [f for band in reversed(drawn) for f in band]
    assert found.band.tolist() == [b for b in (4, 3, 2, 1, 0) for _ in drawn[b]]


@given(data=st.data(), k=st.integers(1, 3), n_groups=st.integers(1, 6))
def test_quantiles_equal_brute_force(
    draw_world: Callable[..., Any], data: st.DataObject, k: int, n_groups: int
) -> None:
    world = draw_world(data)
    found = quantile_examples(world.events, world.corpus, n_groups, k)
    ranked = sorted(firings_of(world), key=lambda f: (f[2], f[0], f[1]))
    groups = [g.tolist() for g in np.array_split(np.arange(len(ranked)), n_groups)]
    groups = [[ranked[i] for i in group] for group in groups if group]
    assert found.bands.low.tolist() == [group[0][2] for group in groups]
    assert found.bands.high.tolist() == [group[-1][2] for group in groups]
    sizes = [len(group) for group in groups]
    assert found.bands.n_active.tolist() == sizes
    assert not sizes or max(sizes) - min(sizes) <= 1
    drawn = [drawn_by_hand(world, group, k, 0) for group in groups]
    assert shown(found) == [f for group in reversed(drawn) for f in group]


@given(data=st.data())
def test_draws_do_not_depend_on_what_else_fires(
    draw_world: Callable[..., Any], data: st.DataObject
) -> None:
    """A draw from half of the candidates is what the whole draw keeps of them."""
    world = draw_world(data)
    context = world.events.context_id
    hashing = PlaceHash(0, 3, world.corpus.tokens.size)
    hashes = hashing.of(world.events.places)
    n = world.corpus.n_contexts
    everything = draw_one_per_context(hashes, context, n, hashing.n_hashes)
    half = np.flatnonzero(context % 2 == 0)
    part = half[draw_one_per_context(hashes[half], context[half], n, hashing.n_hashes)]
    assert part.tolist() == [i for i in everything.tolist() if context[i] % 2 == 0]
