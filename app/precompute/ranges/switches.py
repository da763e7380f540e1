"""Switches inside spans of a range of features, before and after smoothing: `app.stats.smoothing`.

One compiled walk along each feature's firings; the same numbers, spans and random orders as feature
by feature. Memory: a feature's spans and the tokens of one span.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64

from app.precompute.ranges.compiled import compiled
from app.precompute.ranges.events import Ground, RangeEvents
from app.precompute.ranges.hashing import mix
from app.stats import hashing
from app.stats.locality import MIN_SPAN_FIRINGS
from app.stats.smoothing import FIRING_SHARE, REACH, ROUNDING, Smoothing


@dataclass(frozen=True)
class RangeSwitches:
    """Row f is feature first + f; columns as the fields of `app.stats.smoothing.Smoothing`."""

    first: int
    counts: Int64[np.ndarray, "n_features 6"]

    def of(self, row: int) -> Smoothing:
        """One feature's."""
        return Smoothing(*self.counts[row].tolist())


def range_switches(
    events: RangeEvents, ground: Ground, most_spans: int, seed: int
) -> RangeSwitches:
    """Of every feature, dead ones too."""
    counts = np.zeros((events.n_features, 6), np.int64)
    _count(
        events.indptr, events.context_id, events.position, events.activation, ground.documents,
        ground.counted, ground.context_size, events.first, most_spans,
        np.uint64(hashing.mix(seed)), np.uint64(hashing.mix(seed + 1)), counts,
    )  # fmt: skip
    return RangeSwitches(events.first, counts)


@compiled
def _count(
    indptr: Int64[np.ndarray, " n_features_plus_one"],
    context_id: Int32[np.ndarray, " n"],
    position: Int32[np.ndarray, " n"],
    activation: Float32[np.ndarray, " n"],
    documents: Int32[np.ndarray, " n_places"],
    counted: Bool[np.ndarray, " n_places"],
    context_size: int,
    first_feature: int,
    most_spans: int,
    span_seed: np.uint64,
    order_seed: np.uint64,
    counts: Int64[np.ndarray, "n_features 6"],
) -> None:
    values, shuffled = np.empty(context_size), np.empty(context_size)
    places = np.empty(context_size, np.int64)
    for row in range(counts.shape[0]):
        feature = np.uint64(first_feature + row)
        begin, end = indptr[row], indptr[row + 1]
        starts = np.empty((end - begin) // MIN_SPAN_FIRINGS + 1, np.int64)
        stops = np.empty(starts.size, np.int64)
        n_spans = 0
        i = begin
        while i < end:
            document = documents[np.int64(context_id[i]) * context_size + position[i]]
            j = i + 1
            while (
                j < end
                and context_id[j] == context_id[i]
                and documents[np.int64(context_id[j]) * context_size + position[j]] == document
            ):
                j += 1
            if j - i >= MIN_SPAN_FIRINGS:
                starts[n_spans], stops[n_spans] = i, j
                n_spans += 1
            i = j
        chosen = np.arange(n_spans)
        if n_spans > most_spans:
            key = mix(span_seed + feature)
            hashes = np.empty(n_spans, np.uint64)
            for s in range(n_spans):
                hashes[s] = _hash(int(context_id[starts[s]]), int(position[starts[s]]), key)
            chosen = np.argsort(hashes, kind="mergesort")[:most_spans]
        key = mix(order_seed + feature)
        for s in chosen:
            begun, stopped = starts[s], stops[s]
            base = np.int64(context_id[begun]) * context_size
            n = 0
            at = begun
            total = 0.0
            for p in range(position[begun], position[stopped - 1] + 1):
                if not counted[base + p]:
                    continue
                values[n], places[n] = 0.0, p
                if position[at] == p:
                    values[n] = activation[at]
                    total += values[n]
                    at += 1
                n += 1
            bound = FIRING_SHARE * (total / (stopped - begun)) * (1 - ROUNDING)
            _shuffle(values, places, n, int(context_id[begun]), key, shuffled)
            counts[row, 0] += 1
            counts[row, 1] += n
            counts[row, 2] += _switches(values, n)
            counts[row, 3] += _switches_smoothed(values, n, bound)
            counts[row, 4] += _switches(shuffled, n)
            counts[row, 5] += _switches_smoothed(shuffled, n, bound)


@compiled
def _hash(context: int, position: int, key: np.uint64) -> np.uint64:
    """`app.stats.hashing.place_hashes` of one place."""
    return mix(((np.uint64(context) << np.uint64(32)) | np.uint64(position)) ^ key)


@compiled
def _shuffle(
    values: Float64[np.ndarray, " size"],
    places: Int64[np.ndarray, " size"],
    n: int,
    context: int,
    key: np.uint64,
    shuffled: Float64[np.ndarray, " size"],
) -> None:
    """The first `n` values in random order between their ends, which stay."""
    hashes = np.empty(n - 2, np.uint64)
    for k in range(1, n - 1):
        hashes[k - 1] = _hash(context, int(places[k]), key)
    order = np.argsort(hashes, kind="mergesort")
    shuffled[0], shuffled[n - 1] = values[0], values[n - 1]
    for k in range(n - 2):
        shuffled[k + 1] = values[order[k] + 1]


@compiled
def _switches(values: Float64[np.ndarray, " size"], n: int) -> int:
    found = 0
    for k in range(1, n):
        found += (values[k] > 0) != (values[k - 1] > 0)
    return found


@compiled
def _switches_smoothed(values: Float64[np.ndarray, " size"], n: int, bound: float) -> int:
    found, before = 0, False
    for k in range(n):
        low, high = max(0, k - REACH), min(n, k + REACH + 1)
        total = 0.0
        for near in range(low, high):
            total += values[near]
        on = total / (high - low) >= bound
        if k:
            found += on != before
        before = on
    return found
