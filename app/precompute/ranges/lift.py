"""How much likelier each feature of a range fires τ tokens after a firing: `app.stats.lift`.

Counts of pairs are exact, visited where firings are few and counted as bits where they are many.
The null is summed over the sample in the order of places, as `app.stats` does.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from app.precompute.ranges.compiled import compiled
from app.precompute.ranges.events import Ground, RangeEvents
from app.precompute.ranges.hashing import hash_of, rounds_of
from app.precompute.ranges.tokens import RangeTokens
from app.stats.lift import N_LAGS, NULL_SAMPLE

_BUCKETS = 1 << 12  # of hashes: the sample's largest lies in one of them


@dataclass(frozen=True)
class RangeLift:
    """Column τ - 1 is lag τ; as in `app.stats.lift.Lift`."""

    n_pairs: Int64[np.ndarray, "n_features n_lags"]
    n_both: Int64[np.ndarray, "n_features n_lags"]
    lift: Float64[np.ndarray, "n_features n_lags"]  # NaN where there are no pairs
    null: Float64[np.ndarray, "n_features n_lags"]  # NaN where there are none in the sample
    n_null_sample: Int64[np.ndarray, " n_features"]


def range_lift(
    events: RangeEvents, tokens: RangeTokens, ground: Ground, *, mixed_seed: int, n_bits: int
) -> RangeLift:
    """Of every feature, dead ones too."""
    shape = (events.n_features, N_LAGS)
    n_pairs, n_both = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    expected, n_paired = np.zeros(shape), np.zeros(shape, np.int64)
    most = int(events.n_active.max(initial=0))
    _pairs(
        events.indptr, events.context_id, events.position, ground.last_counted,
        ground.gap_indptr, ground.gap_position, n_pairs,
    )  # fmt: skip
    n_words = -(-(ground.context_size + N_LAGS) // 64) + 1
    _both(events.indptr, events.context_id, events.position, np.zeros(n_words, np.uint64), n_both)
    _null(
        events.indptr, events.context_id, events.position, events.first,
        tokens.indptr, tokens.token_id, tokens.n_active, ground.occurrences,
        ground.tokens, ground.last_counted, ground.gap_indptr, ground.gap_position,
        ground.context_size, np.uint64(mixed_seed), n_bits,
        np.empty(most, np.uint64), np.zeros(ground.d_vocab), expected, n_paired,
    )  # fmt: skip
    density = (events.n_active / max(ground.n_tokens, 1))[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        return RangeLift(
            n_pairs,
            n_both,
            np.where(n_pairs > 0, n_both / n_pairs / density, np.nan),
            np.where(n_paired > 0, expected / n_paired / density, np.nan),
            np.minimum(events.n_active, NULL_SAMPLE),
        )


@compiled
def _pairs(indptr, context_id, position, last_counted, gap_indptr, gap_position, n_pairs):
    n_lags = n_pairs.shape[1]
    room_counts = np.empty(n_lags + 1, np.int64)
    for row in range(n_pairs.shape[0]):
        room_counts[:] = 0
        for i in range(indptr[row], indptr[row + 1]):
            context = context_id[i]
            room_counts[min(last_counted[context] - position[i], n_lags)] += 1
            for gap in range(gap_indptr[context], gap_indptr[context + 1]):
                lag = gap_position[gap] - position[i]
                if lag > n_lags:
                    break
                if lag > 0:
                    n_pairs[row, lag - 1] -= 1
        reaching = 0
        for lag in range(n_lags, 0, -1):
            reaching += room_counts[lag]
            n_pairs[row, lag - 1] += reaching


@compiled
def _both(indptr, context_id, position, words, n_both):
    n_lags = n_both.shape[1]
    for row in range(n_both.shape[0]):
        i, stop = indptr[row], indptr[row + 1]
        while i < stop:
            end = i + 1
            while end < stop and context_id[end] == context_id[i]:
                end += 1
            span = np.int64(position[end - 1] - position[i]) + 1
            n_words = (span + 63) >> 6
            # n · n / span pairs a lag where firings lie evenly, against n_words shifts a lag.
            if (end - i) * (end - i) > 3 * span * n_words:
                _both_by_bits(position[i:end], n_words, words, n_both[row])
            else:
                for a in range(i, end):
                    for b in range(a + 1, end):
                        lag = position[b] - position[a]
                        if lag > n_lags:
                            break
                        n_both[row, lag - 1] += 1
            i = end


@compiled
def _both_by_bits(position, n_words, words, n_both):
    """Firings of one context as bits; a shift by the lag lays every partner over its firing."""
    first = np.int64(position[0])
    words[: n_words + 1] = 0
    for where in position:
        bit = where - first
        words[bit >> 6] |= np.uint64(1) << np.uint64(bit & 63)
    n_lags = min(n_both.size, np.int64(position[-1]) - first)
    for lag in range(1, n_lags + 1):
        skip, shift = lag >> 6, np.uint64(lag & 63)
        count = 0
        for word in range(n_words - skip):
            ahead = words[word + skip] >> shift
            if shift:
                ahead |= words[word + skip + 1] << (np.uint64(64) - shift)
            count += _ones(words[word] & ahead)
        n_both[lag - 1] += count


@compiled
def _ones(word):
    """How many bits are set; compilers know the pattern and make one instruction of it."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    pairs = np.uint64(0x3333333333333333)
    word = (word & pairs) + ((word >> np.uint64(2)) & pairs)
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@compiled
def _null(
    indptr, context_id, position, first_feature, pair_indptr, pair_token, pair_n_active,
    occurrences, tokens, last_counted, gap_indptr, gap_position, context_size, mixed_seed, n_bits,
    hashes, rate, expected, n_paired,
):  # fmt: skip
    """Sums of the firing rates of the tokens after a firing, and how many there were."""
    n_lags = expected.shape[1]
    rounds = np.empty((3, 4), np.uint64)
    sums, counts = np.zeros(n_lags), np.zeros(n_lags, np.int64)
    for row in range(expected.shape[0]):
        start, n = indptr[row], indptr[row + 1] - indptr[row]
        if n == 0:
            continue
        for pair in range(pair_indptr[row], pair_indptr[row + 1]):
            token = pair_token[pair]
            rate[token] = pair_n_active[pair] / occurrences[token]
        limit = ~np.uint64(0)
        if n > NULL_SAMPLE:
            rounds_of(mixed_seed, first_feature + row, n_bits, rounds)
            for i in range(n):
                place = np.int64(context_id[start + i]) * context_size + position[start + i]
                hashes[i] = hash_of(place, rounds, n_bits)
            limit = _smallest(hashes[:n], NULL_SAMPLE, n_bits)
        for i in range(n):
            if n > NULL_SAMPLE and hashes[i] > limit:
                continue
            context, where = np.int64(context_id[start + i]), np.int64(position[start + i])
            following = np.uint64(context * context_size + where + 1)
            room = min(n_lags, np.int64(last_counted[context]) - where)
            lag = 0
            gap, gap_end = gap_indptr[context], gap_indptr[context + 1]
            while lag < room:  # stretches of counted tokens between the gaps
                end = room
                while gap < gap_end and gap_position[gap] <= where + lag:
                    gap += 1
                if gap < gap_end:
                    end = min(end, gap_position[gap] - where - 1)
                for ahead in range(np.uint64(lag), np.uint64(end)):
                    sums[ahead] += rate[tokens[following + ahead]]
                    counts[ahead] += 1
                lag = end + 1
        for lag in range(n_lags):
            expected[row, lag], n_paired[row, lag] = sums[lag], counts[lag]
            sums[lag], counts[lag] = 0.0, 0
        for pair in range(pair_indptr[row], pair_indptr[row + 1]):
            rate[pair_token[pair]] = 0.0


@compiled
def _smallest(hashes, k, n_bits):
    """The k-th smallest of distinct hashes: counted in buckets, then one bucket is sorted."""
    counts = np.zeros(_BUCKETS, np.int64)
    shift = np.uint64(max(n_bits - 12, 0))
    for hashed in hashes:
        counts[hashed >> shift] += 1
    before, bucket = 0, 0
    while before + counts[bucket] < k:
        before += counts[bucket]
        bucket += 1
    inside = np.empty(counts[bucket], np.uint64)
    n = 0
    for hashed in hashes:
        if hashed >> shift == np.uint64(bucket):
            inside[n] = hashed
            n += 1
    inside.sort()
    return inside[k - before - 1]
