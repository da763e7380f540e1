"""Which tokens each feature of a range fires on: `app.stats.tokens` for many features at once.

The table of all (feature, token) pairs feeds silent examples, the null of locality and the rankings
by token; of each feature its strongest tokens are marked. Memory: 24 bytes a pair of the range.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64

from app.precompute.ranges.compiled import compiled
from app.precompute.ranges.events import Ground, RangeEvents
from app.precompute.ranges.sorting import ascending, descending_mass, pairwise_sum
from app.stats.silent import MASS_SHARE


@dataclass(frozen=True)
class RangeTokens:
    """Pairs [indptr[i], indptr[i + 1]) are feature i's, ascending by token id."""

    indptr: Int64[np.ndarray, " n_features_plus_one"]
    token_id: Int32[np.ndarray, " n_pairs"]
    n_active: Int32[np.ndarray, " n_pairs"]
    mass: Float64[np.ndarray, " n_pairs"]
    max: Float32[np.ndarray, " n_pairs"]
    by_mass: Int32[np.ndarray, " n_pairs"]  # pairs of the feature, by (mass descending, id)
    total: Float64[np.ndarray, " n_features"]  # activation mass
    n_own: Int64[np.ndarray, " n_features"]  # strongest tokens that carry 90% of it
    n_active_left_out: Int64[np.ndarray, " n_features"]  # beyond the kept ones
    share_left_out: Float64[np.ndarray, " n_features"]

    def share(self) -> Float64[np.ndarray, " n_pairs"]:
        """Of each feature's activation mass."""
        return self.mass / np.repeat(self.total, np.diff(self.indptr))


def range_tokens(events: RangeEvents, ground: Ground, n_kept: int) -> RangeTokens:
    """Of every feature, dead ones too; what is left out is what lies behind the first `n_kept`."""
    n, n_events, d_vocab = events.n_features, events.activation.size, ground.d_vocab
    indptr = np.zeros(n + 1, np.int64)
    token_id, n_active = np.empty(n_events, np.int32), np.empty(n_events, np.int32)
    mass, maximum = np.empty(n_events), np.empty(n_events, np.float32)
    most = min(int(events.n_active.max(initial=0)), d_vocab)
    _table(
        events.indptr, events.token_id, events.activation,
        np.zeros(d_vocab, np.int32), np.zeros(d_vocab), np.zeros(d_vocab, np.float32),
        np.empty((3, most), np.int32), indptr, token_id, n_active, mass, maximum,
    )  # fmt: skip
    n_pairs = int(indptr[-1])
    # Copies, so that the room for one pair an event is given back.
    found = RangeTokens(
        indptr,
        token_id[:n_pairs].copy(),
        n_active[:n_pairs].copy(),
        mass[:n_pairs].copy(),
        maximum[:n_pairs].copy(),
        np.empty(n_pairs, np.int32),
        np.zeros(n),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.zeros(n),
    )
    _by_mass(
        found.indptr, found.n_active, found.mass, n_kept,
        np.empty((2, most), np.int32), np.empty(most), found.by_mass,
        found.total, found.n_own, found.n_active_left_out, found.share_left_out,
    )  # fmt: skip
    return found


@compiled
def _table(
    indptr, event_token, activation, count, mass, maximum, scratch,
    to_indptr, to_token, to_count, to_mass, to_maximum,
):  # fmt: skip
    """Sums per token id in the order of places; the tables by token are zero again at the end."""
    digits = np.empty((4, 256), np.int32)
    to = 0
    for row in range(indptr.size - 1):
        n = 0
        for i in range(indptr[row], indptr[row + 1]):
            token = event_token[i]
            if count[token] == 0:
                scratch[0, n] = token
                n += 1
            count[token] += 1
            mass[token] += np.float64(activation[i])
            maximum[token] = max(maximum[token], activation[i])
        ids, order = scratch[0, :n], scratch[1, :n]
        ascending(ids.view(np.uint32), order, scratch[2, :n], digits)
        for i in range(n):
            token = ids[order[i]]
            to_token[to], to_count[to] = token, count[token]
            to_mass[to], to_maximum[to] = mass[token], maximum[token]
            count[token], mass[token], maximum[token] = 0, 0.0, np.float32(0)
            to += 1
        to_indptr[row + 1] = to


@compiled
def _by_mass(
    indptr, n_active, mass, n_kept, scratch, share, by_mass,
    total, n_own, n_active_left_out, share_left_out,
):  # fmt: skip
    digits = np.empty((4, 256), np.int32)
    for row in range(total.size):
        start, stop = indptr[row], indptr[row + 1]
        n = stop - start
        if n == 0:
            continue
        masses, order = mass[start:stop], by_mass[start:stop]
        descending_mass(masses, scratch[0, :n].view(np.uint32), order, scratch[1, :n], digits)
        total[row] = pairwise_sum(masses)
        running = 0.0
        for i in range(n):
            running += masses[order[i]]
        level = MASS_SHARE * running
        running = 0.0
        for i in range(n):
            running += masses[order[i]]
            if running >= level:
                n_own[row] = i + 1
                break
        if n <= n_kept:
            continue
        for i in range(n):
            scratch[0, i] = 0
        for i in range(n_kept, n):
            scratch[0, order[i]] = 1
            n_active_left_out[row] += n_active[start + order[i]]
        n_left = 0
        for i in range(n):
            if scratch[0, i]:
                share[n_left] = masses[i] / total[row]
                n_left += 1
        share_left_out[row] = pairwise_sum(share[:n_left])
