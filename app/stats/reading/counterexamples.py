"""Where a reading and a feature differ, and where they agree, in the order a reader asks for.

Takes where the reading says yes, the events and an order, gives places. The first places of a list
come from contexts of their own as long as there are any left. Knows no text.
"""

from typing import Literal

import numpy as np
from jaxtyping import Bool, Int64, UInt

from app.stats.arrays import smallest_keys, strongest
from app.stats.events import FeatureEvents
from app.stats.permutation import PlaceHash
from app.stats.reading.ground import Ground
from app.stats.reading.score import places_inside

Order = Literal["strongest", "weakest", "drawn", "corpus"]


def firing_places(
    says_yes: Bool[np.ndarray, " n_places"],
    events: FeatureEvents,
    ground: Ground,
    answer: bool,
    order: Order,
    n: int,
    seed: int = 0,
) -> Int64[np.ndarray, " m"]:
    """Indices of at most `n` events to which the reading answers yes (or no), in an order.

    Ties of strength go to the earlier place.
    """
    inside = places_inside(events, ground)
    members = np.flatnonzero(says_yes[inside] == answer)
    places = inside[members]
    activation = events.activation[members]
    if order == "drawn":
        ranked = _Drawn(places, events, ground, seed)
    elif order == "corpus":
        ranked = _Ranked(np.arange(members.size))
    else:
        ranked = _Ranked(
            strongest(activation if order == "strongest" else -activation, members.size)
        )
    return members[_own_contexts_first(ranked, places // ground.context_size, n)]


def silent_places(
    says_yes: Bool[np.ndarray, " n_places"],
    events: FeatureEvents,
    ground: Ground,
    order: Order,
    n: int,
    seed: int = 0,
) -> Int64[np.ndarray, " m"]:
    """At most `n` places where the reading says yes and the feature is silent.

    Silence has no strength: strongest and weakest are drawn as well.
    """
    silent = says_yes.copy()
    silent[places_inside(events, ground)] = False
    places = np.flatnonzero(silent)
    ranked = (
        _Ranked(np.arange(places.size))
        if order == "corpus"
        else _Drawn(places, events, ground, seed)
    )
    return places[_own_contexts_first(ranked, places // ground.context_size, n)]


class _Ranked:
    """Candidates in a known order."""

    def __init__(self, order: np.ndarray) -> None:
        self._order = order

    def first(self, k: int) -> np.ndarray:
        return self._order[:k]


class _Drawn:
    """Candidates by a seeded permutation of all places of the corpus, the feature's own."""

    def __init__(
        self, places: np.ndarray, events: FeatureEvents, ground: Ground, seed: int
    ) -> None:
        hashing = PlaceHash(seed, events.feature_index, ground.n_places_all)
        self._hashes: UInt[np.ndarray, " m"] = hashing.of(places)
        self._bound = hashing.n_hashes

    def first(self, k: int) -> np.ndarray:
        return smallest_keys(self._hashes, k, self._bound)


def _own_contexts_first(ranked: _Ranked | _Drawn, context_id: np.ndarray, n: int) -> np.ndarray:
    """At most `n` candidates: the first of each context in order, then the others in order."""
    n_looked_at = 4 * n
    while True:
        order = ranked.first(n_looked_at)
        _, first = np.unique(context_id[order], return_index=True)
        if first.size >= n or n_looked_at >= context_id.size:
            is_first = np.zeros(order.size, dtype=np.bool_)
            is_first[first] = True
            return np.concatenate([order[is_first], order[~is_first]])[:n]
        n_looked_at *= 4
