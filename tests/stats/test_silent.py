"""Silent examples and near misses equal a walk over every counted token."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.stats.corpus import Corpus
from app.stats.events import FeatureEvents
from app.stats.permutation import PlaceHash
from app.stats.silent import near_misses, own_tokens, silent_examples
from app.stats.tokens import token_table


def own_by_hand(world: Any) -> list[int]:
    tokens = world.corpus.tokens
    mass = {t: float(world.dense[tokens == t].sum(dtype=np.float64)) for t in np.unique(tokens)}
    ranked = sorted((t for t in mass if mass[t] > 0), key=lambda t: (-mass[t], t))
    total, running, own = sum(mass[t] for t in ranked), 0.0, []
    for token in ranked:
        own.append(int(token))
        running += mass[token]
        if running >= 0.9 * total:
            break
    return own


@given(data=st.data(), n=st.integers(1, 4))
def test_silent_equals_brute_force(
    draw_world: Callable[..., Any], data: st.DataObject, n: int
) -> None:
    world = draw_world(data)
    corpus, events = world.corpus, world.events
    table = token_table(events, corpus)
    # Sums in another order may differ in the last bit, which decides ties and the 90%.
    own = own_tokens(table).tolist()
    if not np.isin(np.unique(world.dense), [0, 1, 2, 10, 20, 29, 30, 40, 49, 50]).all():
        assert len(own) == pytest.approx(len(own_by_hand(world)), abs=1)
    else:
        assert own == own_by_hand(world)
    wanted = np.isin(corpus.tokens, own) & corpus.counted & (world.dense == 0)
    places = np.flatnonzero(wanted.reshape(-1))
    hashing = PlaceHash(0, events.feature_index, corpus.tokens.size)
    ranked = [p for _, p in sorted(zip(hashing.of(places).tolist(), places.tolist(), strict=True))]
    chosen: dict[int, int] = {}
    for place in ranked:
        chosen.setdefault(place // corpus.context_size, place)
    expected = list(chosen.values())[:n]

    found = silent_examples(events, table, corpus, n)
    size = corpus.context_size
    assert (found.context_id * size + found.position).tolist() == expected
    assert found.n_candidates == places.size
    assert not found.activation.any()


def test_ninety_percent_is_reached_not_passed(
    make_corpus: Callable[..., Corpus], make_events: Callable[..., FeatureEvents]
) -> None:
    corpus = make_corpus([[0, 1, 2, 3, 2, 1]])
    dense = np.array([[0, 60, 30, 10, 0, 0]], dtype=np.float32)
    table = token_table(make_events(dense), corpus)
    assert own_tokens(table).tolist() == [1, 2]
    found = silent_examples(make_events(dense), table, corpus)
    assert found.n_candidates == 2  # positions 4 and 5, of which one per context is shown
    assert found.context_id.tolist() == [0]


@given(data=st.data(), n=st.integers(1, 4))
def test_near_misses_equal_brute_force(
    draw_world: Callable[..., Any], data: st.DataObject, n: int
) -> None:
    world = draw_world(data)
    corpus, size = world.corpus, world.corpus.context_size
    sample = np.arange(0, corpus.n_contexts, 2)
    places = (sample[:, None] * size + np.arange(size)).reshape(-1)
    rng = np.random.default_rng(0)
    hidden_pre = rng.integers(-3, 3, places.size).astype(np.float32)
    found = near_misses(hidden_pre, places, world.events, corpus, n)
    silent_tokens = [
        (-float(h), int(p))
        for h, p in zip(hidden_pre, places, strict=True)
        if corpus.flat_counted[p] and world.dense.reshape(-1)[p] == 0
    ]
    chosen: dict[int, tuple[float, int]] = {}
    for value, place in sorted(silent_tokens):
        chosen.setdefault(place // size, (-value, place))
    expected = list(chosen.values())[:n]
    assert found.hidden_pre.tolist() == [value for value, _ in expected]
    assert (found.context_id * size + found.position).tolist() == [p for _, p in expected]
    assert found.n_candidates == len(silent_tokens)
