"""Silent examples of a range: occurrences of each feature's own tokens at which it does not fire.

The choice of `app.stats.silent.silent_examples`: the smallest hashes, one a context. Either all
occurrences are hashed, or places are listed by ascending hash until enough fit; both give the same.
"""

import numpy as np
from jaxtyping import Int64

from app.precompute.ranges.compiled import compiled
from app.precompute.ranges.draws import offer
from app.precompute.ranges.events import Ground, RangeEvents
from app.precompute.ranges.hashing import hash_of, place_of, rounds_of
from app.precompute.ranges.tokens import RangeTokens


def range_silent(
    events: RangeEvents,
    tokens: RangeTokens,
    ground: Ground,
    n: int,
    *,
    mixed_seed: int,
    n_bits: int,
) -> tuple[Int64[np.ndarray, "n_features n"], Int64[np.ndarray, " n_features"]]:
    """(places drawn, -1 behind the last one; how many silent occurrences there are)."""
    drawn = np.full((events.n_features, n), -1, np.int64)
    n_silent = np.zeros(events.n_features, np.int64)
    _silent(
        events.indptr, events.context_id, events.position, events.first,
        tokens.indptr, tokens.token_id, tokens.n_active, tokens.by_mass, tokens.n_own,
        ground.tokens, ground.counted, ground.occurrences, ground.token_indptr,
        ground.token_places, ground.context_size, np.uint64(mixed_seed), n_bits,
        np.zeros(ground.d_vocab, np.bool_), drawn, n_silent,
    )  # fmt: skip
    return drawn, n_silent


@compiled
def _silent(
    indptr, context_id, position, first_feature,
    pair_indptr, pair_token, pair_n_active, by_mass, n_own,
    tokens, counted, occurrences, token_indptr, token_places, context_size, mixed_seed, n_bits,
    is_own, drawn, n_silent,
):  # fmt: skip
    rounds = np.empty((3, 4), np.uint64)
    k = drawn.shape[1]
    hashes, contexts = np.empty(k, np.uint64), np.empty(k, np.int32)
    n_hashes = np.int64(1) << n_bits
    for row in range(n_silent.size):
        pairs = pair_indptr[row]
        own = by_mass[pairs : pairs + n_own[row]]
        n_firing = 0
        for item in own:
            n_firing += pair_n_active[pairs + item]
            n_silent[row] += occurrences[pair_token[pairs + item]]
        n_silent[row] -= n_firing
        if n_silent[row] == 0 or k == 0:
            continue
        start, stop = indptr[row], indptr[row + 1]
        rounds_of(mixed_seed, first_feature + row, n_bits, rounds)
        count = 0
        if n_silent[row] + n_firing <= 2 * k * n_hashes // n_silent[row]:
            for item in own:
                token = pair_token[pairs + item]
                for i in range(token_indptr[token], token_indptr[token + 1]):
                    place = np.int64(token_places[i])
                    hashed = hash_of(place, rounds, n_bits)
                    if count == k and hashed >= hashes[k - 1]:
                        continue
                    context = place // context_size
                    if _fires(
                        context_id, position, start, stop, context, place - context * context_size
                    ):
                        continue
                    count = offer(hashes, contexts, drawn[row], count, hashed, context, place)
            continue
        for item in own:
            is_own[pair_token[pairs + item]] = True
        for hashed in range(n_hashes):
            place = place_of(hashed, rounds, n_bits)
            if place >= tokens.size or not is_own[tokens[place]] or not counted[place]:
                continue
            context = place // context_size
            if _fires(context_id, position, start, stop, context, place - context * context_size):
                continue
            count = offer(hashes, contexts, drawn[row], count, np.uint64(hashed), context, place)
            if count == k:
                break
        for item in own:
            is_own[pair_token[pairs + item]] = False


@compiled
def _fires(context_id, position, start, stop, context, where):
    """Whether one of the events [start, stop) lies at this position of this context."""
    end = stop
    while start < stop:
        middle = (start + stop) // 2
        if context_id[middle] < context or (
            context_id[middle] == context and position[middle] < where
        ):
            start = middle + 1
        else:
            stop = middle
    # Behind `end` lie the next feature's.
    return start < end and context_id[start] == context and position[start] == where
