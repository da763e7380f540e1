"""How much likelier a feature fires τ tokens after a firing than anywhere, for τ = 1 … 64.

Takes one feature's events, its token table and the corpus. The lift is exact; beside it stands a
null in which every token id keeps its own firing rate, so that a feature of single words that often
follow each other does not look like a region. Knows nothing of runs and spans.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, Integer

from app.stats.arrays import smallest_keys
from app.stats.corpus import Corpus
from app.stats.events import FeatureEvents
from app.stats.permutation import PlaceHash
from app.stats.tokens import TokenTable

N_LAGS = 64
NULL_SAMPLE = 2048


@dataclass(frozen=True)
class Lift:
    """Entry τ - 1 is lag τ. A pair is a firing t and a counted token t + τ of the same context."""

    n_pairs: Int64[np.ndarray, " n_lags"]  # firings t for which t + τ is there and counted
    n_both: Int64[np.ndarray, " n_lags"]  # of them, those with a firing at t + τ
    lift: list[float | None]  # n_both / n_pairs / density; None where n_pairs is 0
    null: list[float | None]  # mean over t of the firing rate of the token at t + τ, / density
    n_null_sample: int  # firings t the null was averaged over


def lift_curve(
    events: FeatureEvents, table: TokenTable, corpus: Corpus, n_lags: int = N_LAGS, seed: int = 0
) -> Lift:
    """P(active at t + τ | active at t) / density over all firings, and its null.

    The null is averaged over all firings where there are at most 2,048, else over the 2,048 with
    the smallest seeded hashes; its pairs are taken as those of the lift.
    """
    none = np.zeros(n_lags, dtype=np.int64)
    if events.n_active == 0:
        return Lift(none, none, [None] * n_lags, [None] * n_lags, 0)
    density = events.n_active / corpus.n_tokens
    n_pairs = _pairs(events, corpus, n_lags)
    n_both = firing_pairs(events, n_lags)
    null, n_sample = _null(events, table, corpus, n_lags, seed)
    lift = [
        both / pairs / density if pairs else None
        for both, pairs in zip(n_both.tolist(), n_pairs.tolist(), strict=True)
    ]
    relative = [None if np.isnan(rate) else rate / density for rate in null.tolist()]
    return Lift(n_pairs, n_both, lift, relative, n_sample)


def _pairs(events: FeatureEvents, corpus: Corpus, n_lags: int) -> Int64[np.ndarray, " n_lags"]:
    """For each lag the firings t whose t + lag lies in the context and is counted.

    As if every token up to the context's last counted one were counted, less those that are not:
    separators between documents are few.
    """
    room = np.minimum(corpus.last_counted[events.context_id] - events.position, n_lags)
    reaching = np.bincount(room, minlength=n_lags + 1)[::-1].cumsum()[::-1][1:]
    gap_context, gap_position = np.divmod(corpus.gaps, corpus.context_size)
    gaps = gap_context * (corpus.context_size + n_lags) + gap_position
    places = _spaced(events, n_lags)
    return reaching - _lag_counts(places, gaps, np.searchsorted(gaps, places), n_lags)


def firing_pairs(events: FeatureEvents, n_lags: int) -> Int64[np.ndarray, " n_lags"]:
    """For each lag the pairs of firings of one context that lie so far apart.

    Sparse features by visiting the pairs, dense ones by shifting their firings as bits: as many
    steps as pairs against as many as lags times words. Both exact.
    """
    n_per_lag = events.n_active**2 // max(events.context_starts.size * events.context_size, 1)
    n_words = events.context_starts.size * (events.context_size // 64 + 2)
    if n_per_lag > n_words:
        return pairs_by_bits(events, n_lags)
    return pairs_by_visiting(events, n_lags)


def pairs_by_visiting(events: FeatureEvents, n_lags: int) -> Int64[np.ndarray, " n_lags"]:
    places = _spaced(events, n_lags)
    return _lag_counts(places, places, np.arange(1, places.size + 1), n_lags)


def pairs_by_bits(events: FeatureEvents, n_lags: int) -> Int64[np.ndarray, " n_lags"]:
    """Each context it fires in is one row of bits, with zeros after it wide enough for any lag."""
    n_rows = events.context_starts.size
    n_words = -(-(events.context_size + n_lags) // 64)
    row = np.zeros(events.n_active, dtype=np.int64)
    row[events.context_starts[1:]] = 1
    place = np.cumsum(row) * (n_words * 64) + events.position
    fires = np.zeros(n_rows * n_words * 64, dtype=np.bool_)
    fires[place] = True
    words = np.packbits(fires, bitorder="little").view("<u8")
    ahead, carry = words.copy(), np.zeros_like(words)
    counts = np.zeros(n_lags, dtype=np.int64)
    for lag in range(n_lags):
        # ahead >>= 1 over the whole row of words: bit t becomes the firing at t + lag + 1.
        np.left_shift(ahead[1:], np.uint64(63), out=carry[:-1])
        np.right_shift(ahead, np.uint64(1), out=ahead)
        ahead |= carry
        counts[lag] = np.bitwise_count(words & ahead).sum(dtype=np.int64)
    return counts


def _spaced(events: FeatureEvents, n_lags: int) -> Int64[np.ndarray, " n"]:
    """Places in contexts set so far apart that no lag reaches from one into the next."""
    return events.places + events.context_id.astype(np.int64) * n_lags


def _lag_counts(
    places: Int64[np.ndarray, " n"],
    others: Int64[np.ndarray, " m"],
    following: Integer[np.ndarray, " n"],
    n_lags: int,
) -> Int64[np.ndarray, " n_lags"]:
    """How often one of `others` lies 1, 2 … n_lags after one of `places` (both ascending).

    `following[i]` is the index of the first of `others` after places[i]. Round k looks at the k-th
    of them and goes on with the places whose k-th is still near: the work is the pairs found.
    """
    counts = np.zeros(n_lags + 1, dtype=np.int64)
    others = np.append(others, np.iinfo(np.int64).max)
    while places.size:
        distance = others[following] - places
        near = distance <= n_lags
        counts += np.bincount(distance[near], minlength=n_lags + 1)
        places, following = places[near], following[near] + 1
    return counts[1:]


def _null(
    events: FeatureEvents, table: TokenTable, corpus: Corpus, n_lags: int, seed: int
) -> tuple[Float64[np.ndarray, " n_lags"], int]:
    """(mean firing rate of the token at t + lag, NaN where no pair; how many t were sampled)."""
    hashing = PlaceHash(seed, events.feature_index, corpus.tokens.size)
    sample = np.sort(smallest_keys(hashing.of(events.places), NULL_SAMPLE, hashing.n_hashes))
    lags = np.arange(1, n_lags + 1)
    rate = np.zeros(corpus.d_vocab)
    rate[table.token_id] = table.rate
    ahead = events.places[sample][:, None] + lags
    # mode="clip": places after the corpus' end are read as its last and then masked.
    paired = corpus.flat_counted.take(ahead, mode="clip")
    paired &= lags <= corpus.context_size - 1 - events.position[sample][:, None]
    expected = rate.take(corpus.flat_tokens.take(ahead, mode="clip"))
    expected *= paired
    n_paired = np.count_nonzero(paired, axis=0)
    mean = np.full(n_lags, np.nan)
    np.divide(expected.sum(axis=0), n_paired, out=mean, where=n_paired > 0)
    return mean, sample.size
