"""The draw from a band is the one that sorting every hash by hand gives; a band that is an interval
draws the interval's own examples."""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.stats.band_examples import draw_band
from app.stats.examples import interval_examples

from .test_examples import drawn_by_hand, firings_of


@given(
    data=st.data(),
    n=st.integers(1, 4),
    borders=st.tuples(st.floats(0, 12), st.floats(0, 12)).map(sorted),
    included=st.booleans(),
    on_a_value=st.booleans(),
)
def test_the_draw_equals_brute_force(
    draw_world: Callable[..., Any],
    data: st.DataObject,
    n: int,
    borders: list[float],
    included: bool,
    on_a_value: bool,
) -> None:
    world = draw_world(data)
    low, high = borders
    firings = firings_of(world)
    if on_a_value and firings:
        low, high = sorted(data.draw(st.sampled_from(firings))[2] for _ in range(2))
    drawn = draw_band(world.events, world.corpus, low, high, low_included=included, n=n, seed=3)
    inside = [f for f in firings if (low <= f[2] if included else low < f[2]) and f[2] <= high]
    assert drawn.n_active == len(inside)
    events = world.events
    places = zip(events.context_id[drawn.chosen], events.position[drawn.chosen], strict=True)
    assert [(int(c), int(p)) for c, p in places] == [
        (c, p) for c, p, _ in drawn_by_hand(world, inside, n, seed=3)
    ]


@given(data=st.data())
def test_a_band_that_is_an_interval_draws_its_examples(
    draw_world: Callable[..., Any], data: st.DataObject
) -> None:
    world = draw_world(data)
    stored = interval_examples(world.events, world.corpus, n_bands=3, per_band=4, seed=1)
    for band, (low, high) in enumerate(zip(stored.bands.low, stored.bands.high, strict=True)):
        drawn = draw_band(world.events, world.corpus, float(low), float(high), n=4, seed=1)
        here = stored.band == band
        np.testing.assert_array_equal(
            world.events.places[drawn.chosen],
            stored.context_id[here].astype(np.int64) * world.corpus.context_size
            + stored.position[here],
        )
        assert drawn.n_active == stored.bands.n_active[band]
