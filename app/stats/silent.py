"""Places where a feature could have fired and did not: silent examples and near misses.

Takes the feature's events, its token table and the corpus; near misses also the pre-activations of
a sample of tokens. Knows neither model nor dictionary.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, Int64, Integer

from app.stats.arrays import strongest
from app.stats.corpus import Corpus
from app.stats.events import FeatureEvents
from app.stats.examples import ExampleSet, draw_one_per_context, no_bands
from app.stats.permutation import PlaceHash
from app.stats.tokens import TokenTable

MASS_SHARE = 0.9


@dataclass(frozen=True)
class NearMisses:
    """The silent tokens with the highest pre-activation in a sample, one per context."""

    context_id: Int32[np.ndarray, " n"]
    position: Int32[np.ndarray, " n"]
    hidden_pre: Float32[np.ndarray, " n"]  # descending, finite
    n_candidates: int  # counted tokens of the sample on which the feature is silent


def silent_examples(
    events: FeatureEvents, table: TokenTable, corpus: Corpus, n: int = 10, seed: int = 0
) -> ExampleSet:
    """Random silent occurrences of the feature's own tokens, one per context, by hash ascending.

    Its own tokens are the first of those by (activation mass descending, id) whose running share of
    the mass reaches 90%. `n_candidates` counts all their counted occurrences with activation 0.
    """
    own = own_tokens(table)
    places = corpus.places_by_token(own)
    places = places[~_contains(events.places, places)]
    hashing = PlaceHash(seed, events.feature_index, corpus.tokens.size)
    chosen = draw_one_per_context(
        hashing.of(places), places // corpus.context_size, n, hashing.n_hashes
    )
    drawn = places[chosen]
    context_id, position = np.divmod(drawn, corpus.context_size)
    return ExampleSet(
        "silent",
        context_id.astype(np.int32),
        position.astype(np.int32),
        np.zeros(drawn.size, dtype=np.float32),
        np.full(drawn.size, -1, dtype=np.int8),
        np.ones(drawn.size, dtype=np.int32),
        no_bands(),
        places.size,
    )


def near_misses(
    hidden_pre: Float32[np.ndarray, " n_sample"],
    sample_places: Int64[np.ndarray, " n_sample"],
    events: FeatureEvents,
    corpus: Corpus,
    n: int = 10,
) -> NearMisses:
    """The highest `hidden_pre` of counted tokens on which the feature is silent, one per context.

    `hidden_pre` is the feature's column of the sample, `sample_places` the sample's places,
    ascending. Ties go to the earlier place. Where a feature has a threshold of its own, the highest
    value is the nearest to firing. What half precision can't hold (infinity) is counted, not shown.
    """
    firing = events.places
    candidate = corpus.flat_counted[sample_places] & ~_contains(firing, sample_places)
    n_candidates = int(np.count_nonzero(candidate))
    candidate &= np.isfinite(hidden_pre)
    places, values = sample_places[candidate], hidden_pre[candidate]
    context_id, position = np.divmod(places, corpus.context_size)
    ranked = strongest(values, values.size)
    _, first = np.unique(context_id[ranked], return_index=True)
    shown = ranked[np.sort(first)[:n]]
    return NearMisses(
        context_id[shown].astype(np.int32),
        position[shown].astype(np.int32),
        values[shown],
        n_candidates,
    )


def own_tokens(table: TokenTable) -> Int64[np.ndarray, " n_ids"]:
    """Token ids by (mass descending, id) until their running share first reaches 90%."""
    if table.token_id.size == 0:
        return np.zeros(0, dtype=np.int64)
    order = strongest(table.mass, table.mass.size)
    running = np.cumsum(table.mass[order])
    n_kept = int(np.searchsorted(running, MASS_SHARE * running[-1], side="left")) + 1
    return table.token_id[order[:n_kept]]


def _contains(
    ascending: Integer[np.ndarray, " n"], values: Integer[np.ndarray, " m"]
) -> np.ndarray:
    """Which of `values` occur in `ascending`."""
    if ascending.size == 0:
        return np.zeros(values.size, dtype=np.bool_)
    at = np.minimum(np.searchsorted(ascending, values), ascending.size - 1)
    return ascending[at] == values
