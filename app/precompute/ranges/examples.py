"""The examples of a range, group by group: where each is, its band, all firings of its context.

Takes what was drawn and lays it out end to end, feature after feature. Knows no text.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int8, Int32, Int64

from app.precompute.ranges.compiled import compiled
from app.precompute.ranges.events import RangeEvents
from app.precompute.ranges.strength import Drawn
from app.stats.arrays import offsets


@dataclass(frozen=True)
class RangeExamples:
    """One group: the examples [indptr[i], indptr[i + 1]) are feature i's, in the order shown."""

    indptr: Int64[np.ndarray, " n_features_plus_one"]
    context_id: Int32[np.ndarray, " n"]
    position: Int32[np.ndarray, " n"]
    activation: Float32[np.ndarray, " n"]  # 0 for silent examples
    band: Int8[np.ndarray, " n"]
    repeats: Int32[np.ndarray, " n"]
    firing_indptr: Int64[np.ndarray, " n_plus_one"]
    firing_position: Int32[np.ndarray, " m"]
    firing_activation: Float32[np.ndarray, " m"]
    band_low: Float64[np.ndarray, "n_features b"]  # NaN behind the last band
    band_high: Float64[np.ndarray, "n_features b"]
    band_n_active: Int64[np.ndarray, "n_features b"]
    n_candidates: Int64[np.ndarray, " n_features"]


def drawn_examples(
    events: RangeEvents, drawn: Drawn, n_candidates: Int64[np.ndarray, " n_features"]
) -> RangeExamples:
    """Examples at firings."""
    chosen = drawn.event >= 0
    rows = drawn.event[chosen]
    context_id = events.context_id[rows]
    feature = np.repeat(np.arange(events.n_features), chosen.sum(axis=1))
    return RangeExamples(
        offsets(chosen.sum(axis=1)),
        context_id,
        events.position[rows],
        events.activation[rows],
        drawn.band[chosen],
        drawn.repeats[chosen],
        *_firings(events, feature, context_id, rows),
        drawn.low,
        drawn.high,
        drawn.band_n_active,
        n_candidates,
    )


def silent_examples(
    events: RangeEvents,
    places: Int64[np.ndarray, "n_features n"],
    n_candidates: Int64[np.ndarray, " n_features"],
    context_size: int,
) -> RangeExamples:
    """Examples at places where the feature does not fire."""
    chosen = places >= 0
    context_id, position = np.divmod(places[chosen], context_size)
    context_id, n = context_id.astype(np.int32), context_id.size
    feature = np.repeat(np.arange(events.n_features), chosen.sum(axis=1))
    no_bands = np.zeros((events.n_features, 0))
    return RangeExamples(
        offsets(chosen.sum(axis=1)),
        context_id,
        position.astype(np.int32),
        np.zeros(n, np.float32),
        np.full(n, -1, np.int8),
        np.ones(n, np.int32),
        *_firings(events, feature, context_id, np.full(n, -1, np.int64)),
        no_bands,
        no_bands,
        no_bands.astype(np.int64),
        n_candidates,
    )


def _firings(
    events: RangeEvents,
    feature: Int64[np.ndarray, " n"],
    context_id: Int32[np.ndarray, " n"],
    near: Int64[np.ndarray, " n"],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(indptr, positions, activations): each example's firings over its whole context."""
    first = np.empty(context_id.size, np.int64)
    length = np.empty(context_id.size, np.int64)
    _find_contexts(events.indptr, events.context_id, feature, context_id, near, first, length)
    indptr = offsets(length)
    position = np.empty(int(indptr[-1]), np.int32)
    activation = np.empty(int(indptr[-1]), np.float32)
    _copy_rows(events.position, events.activation, first, indptr, position, activation)
    return indptr, position, activation


@compiled
def _find_contexts(indptr, event_context, feature, context_id, near, first, length):
    """Where the events of (feature, context) lie: around `near`, or searched for where it is -1."""
    for i in range(first.size):
        start, stop, context = indptr[feature[i]], indptr[feature[i] + 1], context_id[i]
        at = near[i]
        if at < 0:
            low, high = start, stop
            while low < high:
                middle = (low + high) // 2
                if event_context[middle] < context:
                    low = middle + 1
                else:
                    high = middle
            at = low
        else:
            while at > start and event_context[at - 1] == context:
                at -= 1
        end = at
        while end < stop and event_context[end] == context:
            end += 1
        first[i], length[i] = at, end - at


@compiled
def _copy_rows(event_position, event_activation, first, indptr, position, activation):
    for i in range(first.size):
        for j in range(indptr[i + 1] - indptr[i]):
            position[indptr[i] + j] = event_position[first[i] + j]
            activation[indptr[i] + j] = event_activation[first[i] + j]
