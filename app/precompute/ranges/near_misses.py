"""Near misses and flicker of a range: what the sample of `hidden_pre` says where nothing fires.

The numbers of `app.stats.silent.near_misses` and `app.stats.flicker`, for a block of features at a
time: memory follows the block, not the dictionary. Reads the sample's columns of the range alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from app.precompute.ranges.events import Ground, RangeEvents
from app.precompute.ranges.examples import RangeExamples, silent_examples
from app.precompute.ranges.moments import range_moments
from app.stats.arrays import offsets
from app.stats.flicker import NEAR
from app.stats.hidden_pre import HiddenPreSample
from app.stats.locality import MIN_SPAN_FIRINGS

VALUES_AT_ONCE = 1 << 20
"""Of the sample, in a block of features (but at least one): about 12 MB while it is looked at."""


@dataclass(frozen=True)
class RangeNearMisses:
    """Of the features first, first + 1 …; those that never fire have none."""

    first: int
    examples: RangeExamples
    hidden_pre: Float32[np.ndarray, " n_examples"]
    n_spans: Int64[np.ndarray, " n_features"]  # in the sample's contexts
    n_span_silent: Int64[np.ndarray, " n_features"]  # silent counted tokens inside them
    n_span_near: Int64[np.ndarray, " n_features"]  # of those, near to firing


@dataclass(frozen=True)
class _Firings:
    """The firings on sampled tokens, feature by feature, by place."""

    feature: Int64[np.ndarray, " m"]
    row: Int64[np.ndarray, " m"]  # of the sample
    context_id: Int64[np.ndarray, " m"]
    document: Int64[np.ndarray, " m"]


def range_near_misses(
    events: RangeEvents,
    ground: Ground,
    sample: HiddenPreSample,
    threshold: Float64[np.ndarray, " n_features"] | None,
    n: int,
) -> RangeNearMisses:
    """Of every feature of the range; at most `n` near misses each.

    Args:
        threshold: None where features have none of their own (per-token top-k): then there is no
            flicker, and its counts are 0.
    """
    places = np.full((events.n_features, n), -1, np.int64)
    values = np.full((events.n_features, n), np.nan, np.float32)
    counts = np.zeros((3, events.n_features), np.int64)
    n_candidates = np.zeros(events.n_features, np.int64)
    firings = _firings(events, ground, sample)
    n_firings = np.bincount(firings.feature, minlength=events.n_features)
    alive = events.n_active > 0
    n_candidates[alive] = sample.places.size - n_firings[alive]
    bound = None
    if threshold is not None:
        bound = threshold - NEAR * np.nan_to_num(range_moments(events).mean)
    for block in _blocks(events.n_features, sample.places.size):
        own = _of_block(firings, n_firings, block)
        hidden_pre = sample.features(events.first + block.start, events.first + block.stop)
        hidden_pre[own.feature, own.row] = -np.inf
        places[block], values[block] = _highest(hidden_pre, sample, ground.context_size, n)
        if bound is not None:
            counts[:, block] = _flicker(hidden_pre >= bound[block, None], own)
    places[~alive] = -1
    return RangeNearMisses(
        events.first,
        silent_examples(events, places, n_candidates, ground.context_size),
        values[places >= 0],
        *counts,
    )


def no_near_misses(first: int, n_features: int) -> RangeNearMisses:
    """Those of features of which no `hidden_pre` was kept."""
    none = np.zeros(n_features, np.int64)
    no_bands = np.zeros((n_features, 0))
    nothing = np.zeros(0, np.int32)
    values = np.zeros(0, np.float32)
    return RangeNearMisses(
        first,
        RangeExamples(
            offsets(none), nothing, nothing, values, nothing.astype(np.int8), nothing,
            np.zeros(1, np.int64), nothing, values, no_bands, no_bands, no_bands.astype(np.int64),
            none,
        ),
        values, none, none, none,
    )  # fmt: skip


def _blocks(n_features: int, n_places: int) -> Iterator[slice]:
    size = max(VALUES_AT_ONCE // max(n_places, 1), 1)
    for first in range(0, n_features, size):
        yield slice(first, min(first + size, n_features))


def _firings(events: RangeEvents, ground: Ground, sample: HiddenPreSample) -> _Firings:
    in_sample = np.zeros(ground.first_counted.size, np.bool_)
    in_sample[sample.places // ground.context_size] = True
    chosen = np.flatnonzero(in_sample[events.context_id])
    context_id = events.context_id[chosen].astype(np.int64)
    place = context_id * ground.context_size + events.position[chosen]
    return _Firings(
        np.searchsorted(events.indptr, chosen, side="right") - 1,
        np.searchsorted(sample.places, place),
        context_id,
        ground.documents[place].astype(np.int64),
    )


def _of_block(
    firings: _Firings, n_firings: Int64[np.ndarray, " n_features"], block: slice
) -> _Firings:
    """Those of a block's features, which are numbered from 0."""
    start = int(n_firings[: block.start].sum())
    rows = slice(start, start + int(n_firings[block].sum()))
    return _Firings(
        firings.feature[rows] - block.start,
        firings.row[rows],
        firings.context_id[rows],
        firings.document[rows],
    )


def _highest(
    hidden_pre: Float32[np.ndarray, "block n_sample"],
    sample: HiddenPreSample,
    context_size: int,
    n: int,
) -> tuple[Int64[np.ndarray, "block n"], Float32[np.ndarray, "block n"]]:
    """(places, values) of the `n` highest finite values, one per context; -1 behind the last."""
    found = np.full((len(hidden_pre), n), -1, np.int64)
    values = np.full(found.shape, np.nan, np.float32)
    context = sample.places // context_size
    starts = np.flatnonzero(np.diff(context, prepend=-1))
    if not starts.size or not n:
        return found, values
    finite = np.where(np.isfinite(hidden_pre), hidden_pre, np.float32(-np.inf))
    bounds = [*starts.tolist(), context.size]
    # The first of equal values is the earlier place, here and where contexts are ranked.
    row = np.stack(
        [start + finite[:, start:stop].argmax(axis=1) for start, stop in pairwise(bounds)],
        axis=1,
    )
    highest = np.take_along_axis(finite, row, axis=1)
    ranked = np.argsort(-highest, axis=1, kind="stable")[:, :n]
    best = np.take_along_axis(highest, ranked, axis=1)
    there = np.isfinite(best)
    shown = sample.places[np.take_along_axis(row, ranked, axis=1)]
    found[:, : best.shape[1]] = np.where(there, shown, -1)
    values[:, : best.shape[1]] = np.where(there, best, np.float32(np.nan))
    return found, values


def _flicker(
    near: Bool[np.ndarray, "block n_sample"], firings: _Firings
) -> Int64[np.ndarray, "3 block"]:
    """(spans, silent tokens inside, those near to firing) of every feature; firings aren't near."""
    n_features = len(near)
    changes = np.zeros(firings.row.size, np.bool_)
    for name in ("feature", "context_id", "document"):
        changes |= np.diff(getattr(firings, name), prepend=-2) != 0
    bounds = np.append(np.flatnonzero(changes), firings.row.size)
    size = np.diff(bounds)
    spans = np.flatnonzero(size >= MIN_SPAN_FIRINGS)
    feature = firings.feature[bounds[spans]]
    first, last = firings.row[bounds[spans]], firings.row[bounds[spans + 1] - 1]
    n_near = np.array(
        [
            np.count_nonzero(near[owner, start : stop + 1])
            for owner, start, stop in zip(feature, first, last, strict=True)
        ],
        np.int64,
    )

    def summed(counts: Int64[np.ndarray, " n_spans"]) -> Int64[np.ndarray, " block"]:
        return np.bincount(feature, counts, n_features).astype(np.int64)

    return np.stack(
        [
            np.bincount(feature, minlength=n_features),
            summed(last - first + 1 - size[spans]),
            summed(n_near),
        ]
    )
