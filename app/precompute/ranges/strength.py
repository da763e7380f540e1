"""The histogram of each feature of a range, and its top, interval and quantile examples.

The numbers and choices of `activation_histogram`, `top_examples`, `interval_examples` and
`quantile_examples` in `app.stats`. All of them need the events in order of activation, which each
feature's are brought into once.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int8, Int32, Int64

from app.precompute.ranges.compiled import compiled
from app.precompute.ranges.draws import offer
from app.precompute.ranges.events import Ground, RangeEvents
from app.precompute.ranges.hashing import hash_of, rounds_of
from app.precompute.ranges.sorting import ascending


@dataclass(frozen=True)
class Drawn:
    """Examples of one group, one row a feature; entries behind the last one are -1."""

    event: Int64[np.ndarray, "n_features n"]  # row of the range's events
    band: Int8[np.ndarray, "n_features n"]
    repeats: Int32[np.ndarray, "n_features n"]
    low: Float64[np.ndarray, "n_features b"]  # NaN behind the last band
    high: Float64[np.ndarray, "n_features b"]
    band_n_active: Int64[np.ndarray, "n_features b"]


@dataclass(frozen=True)
class RangeStrength:
    """What the order of activations gives."""

    histogram: Int64[np.ndarray, "n_features n_bins"]
    top: Drawn
    interval: Drawn
    quantile: Drawn


def range_strength(
    events: RangeEvents,
    ground: Ground,
    *,
    n_bins: int,
    n_top: int,
    window_before: int,
    n_bands: int,
    per_band: int,
    n_quantiles: int,
    per_quantile: int,
    mixed_seed: int,
    n_bits: int,
) -> RangeStrength:
    """Of every feature, dead ones too; `mixed_seed` and `n_bits` are those of the permutation."""
    n, most = events.n_features, int(events.n_active.max(initial=0))
    found = RangeStrength(
        np.zeros((n, n_bins), np.int64),
        _none_drawn(n, n_top, 0),
        _none_drawn(n, n_bands * per_band, n_bands),
        _none_drawn(n, n_quantiles * per_quantile, n_quantiles),
    )
    top, interval, quantile = found.top, found.interval, found.quantile
    _by_strength(
        events.indptr, events.context_id, events.position, events.activation, ground.tokens,
        ground.context_size, n_bands, per_band, n_quantiles, per_quantile, window_before,
        events.first, np.uint64(mixed_seed), n_bits, np.empty((3, most), np.int32),
        np.empty(most, np.uint64),
        found.histogram, top.event, top.repeats,
        interval.event, interval.band, interval.low, interval.high, interval.band_n_active,
        quantile.event, quantile.band, quantile.low, quantile.high, quantile.band_n_active,
    )  # fmt: skip
    return found


def _none_drawn(n_features: int, n: int, n_bands: int) -> Drawn:
    return Drawn(
        np.full((n_features, n), -1, np.int64),
        np.full((n_features, n), -1, np.int8),
        np.ones((n_features, n), np.int32),
        np.full((n_features, n_bands), np.nan),
        np.full((n_features, n_bands), np.nan),
        np.zeros((n_features, n_bands), np.int64),
    )


@compiled
def _by_strength(
    indptr, context_id, position, activation, tokens,
    context_size, n_bands, per_band, n_quantiles, per_quantile, window_before,
    first_feature, mixed_seed, n_bits, scratch, hash_scratch,
    histogram, top_event, top_repeats,
    interval_event, interval_band, interval_low, interval_high, interval_n_active,
    quantile_event, quantile_band, quantile_low, quantile_high, quantile_n_active,
):  # fmt: skip
    digits = np.empty((4, 256), np.int32)
    rounds = np.empty((3, 4), np.uint64)
    cuts = np.empty(max(n_bands, n_quantiles, histogram.shape[1]) + 1, np.int64)
    for row in range(indptr.size - 1):
        start, stop = indptr[row], indptr[row + 1]
        n = stop - start
        if n == 0:
            continue
        values, contexts = activation[start:stop], context_id[start:stop]
        order, hashes = scratch[0, :n], hash_scratch[:n]
        ascending(values.view(np.uint32), order, scratch[1, :n], digits)
        maximum = np.float64(values[order[n - 1]])
        n_bins = histogram.shape[1]
        _equal_width_cuts(values, order, maximum, n_bins, cuts)
        for b in range(n_bins):
            histogram[row, b] = cuts[b + 1] - cuts[b]
        _top(
            values, contexts, position[start:stop], order, tokens, context_size, window_before,
            scratch[2, :n], top_event[row], top_repeats[row], start,
        )  # fmt: skip
        rounds_of(mixed_seed, first_feature + row, n_bits, rounds)
        for i in range(n):
            place = np.int64(contexts[i]) * context_size + position[start + i]
            hashes[i] = hash_of(place, rounds, n_bits)
        _equal_width_cuts(values, order, maximum, n_bands, cuts)
        for b in range(n_bands):
            interval_low[row, b] = maximum * b / n_bands
            interval_high[row, b] = maximum * (b + 1) / n_bands
            interval_n_active[row, b] = cuts[b + 1] - cuts[b]
        _draw(
            cuts, n_bands, per_band, order, hashes, contexts, start,
            interval_event[row], interval_band[row],
        )  # fmt: skip
        n_groups = min(n_quantiles, n)
        size, remainder = n // n_groups, n % n_groups
        for b in range(n_groups + 1):
            cuts[b] = b * size + min(b, remainder)
        for b in range(n_groups):
            quantile_low[row, b] = values[order[cuts[b]]]
            quantile_high[row, b] = values[order[cuts[b + 1] - 1]]
            quantile_n_active[row, b] = cuts[b + 1] - cuts[b]
        _draw(
            cuts, n_groups, per_quantile, order, hashes, contexts, start,
            quantile_event[row], quantile_band[row],
        )  # fmt: skip


@compiled
def _equal_width_cuts(values, order, maximum, n_bins, cuts):
    """cuts[j]: how many values are at most maximum · j / n_bins, compared in float64."""
    below = 0
    for edge in range(n_bins + 1):
        border = maximum * edge / n_bins
        above = values.size  # binary search between the edge before and the end
        while below < above:
            middle = (below + above) // 2
            if values[order[middle]] <= border:
                below = middle + 1
            else:
                above = middle
        cuts[edge] = below


@compiled
def _draw(cuts, n_bands, per_band, order, hashes, contexts, start, event, band):
    """From each slice of the order the smallest hashes, one a context; strongest band first."""
    smallest = np.empty(per_band, np.uint64)
    drawn_context = np.empty(per_band, np.int32)
    drawn = np.empty(per_band, np.int64)
    n = 0
    for b in range(n_bands - 1, -1, -1):
        count = 0
        for i in range(cuts[b], cuts[b + 1]):
            item = order[i]
            if count == per_band and (per_band == 0 or hashes[item] >= smallest[per_band - 1]):
                continue
            count = offer(smallest, drawn_context, drawn, count, hashes[item], contexts[item], item)
        for i in range(count):
            event[n], band[n] = start + drawn[i], b
            n += 1


@compiled
def _top(
    values, contexts, positions, order, tokens, context_size, window_before, seen, event, repeats,
    start,
):  # fmt: skip
    """The strongest firing of each context, windows with the same tokens up to the peak once."""
    n, n_top = values.size, event.size
    seen[:] = 0
    shown = 0
    end = n
    while end > 0:
        level = end  # [level, end): firings of equal activation, by place
        while level > 0 and values[order[level - 1]] == values[order[end - 1]]:
            level -= 1
        for i in range(level, end):
            item = order[i]
            first = item  # of its context
            while first > 0 and contexts[first - 1] == contexts[item]:
                first -= 1
            if seen[first]:
                continue
            seen[first] = 1
            like = -1
            for j in range(shown):
                if _same_window(
                    contexts, positions, tokens, context_size, window_before,
                    event[j] - start, item,
                ):  # fmt: skip
                    like = j
                    break
            if like >= 0:
                repeats[like] += 1
            elif shown == n_top:
                return
            else:
                event[shown] = start + item
                shown += 1
        end = level


@compiled
def _same_window(contexts, positions, tokens, context_size, window_before, one, other):
    """Whether the tokens from the window's start up to the peak are the same."""
    n = min(np.int64(positions[one]), window_before)
    if n != min(np.int64(positions[other]), window_before):
        return False
    a = np.int64(contexts[one]) * context_size + positions[one]
    b = np.int64(contexts[other]) * context_size + positions[other]
    for back in range(n + 1):  # noqa: SIM110 (a loop is what can be compiled)
        if tokens[a - back] != tokens[b - back]:
            return False
    return True
