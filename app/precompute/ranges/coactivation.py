"""Which features fire on the same tokens: every feature's partners by Jaccard index.

The features of each token are laid out once for the first contexts; a feature's joint firings are
then counts over the rows of its tokens. Memory: 2 bytes an event (4 from 65,537 features on) and 8
a token, for these tokens only; never a d_sae × d_sae matrix.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int32, Int64, UInt

from app.precompute.ranges.compiled import compiled
from app.precompute.ranges.events import RangeEvents
from app.precompute.ranges.prefetch import prefetch
from app.stats.arrays import offsets
from app.stats.corpus import Corpus
from app.stats.events import EventStore

_AHEAD = 8  # tokens: their features are asked for while those before are counted
_BLOCK = 32  # features that are ruled out together
_A_LITTLE_LESS = 0.99999  # more than float32 can be off
_LINE = 32  # features in a line of the cache, or half a line


@dataclass(frozen=True)
class FirstTokens:
    """Which features fire on each of the first tokens: rows [indptr[t], indptr[t + 1])."""

    n_contexts: int
    n_tokens: int  # their counted tokens
    indptr: Int64[np.ndarray, " n_places_plus_one"]
    feature: UInt[np.ndarray, " n_events"]
    n_active: Int64[np.ndarray, " d_sae"]  # firings of each feature on these tokens

    @classmethod
    def of(cls, store: EventStore, corpus: Corpus, max_tokens: int) -> "FirstTokens":
        """The longest start of the corpus with at most `max_tokens` counted tokens.

        Cut at contexts, so shard size changes nothing; at least one context.
        """
        n_contexts, n_tokens = corpus.first_contexts(max_tokens)
        counts = np.zeros(n_contexts * store.context_size, np.int64)
        n_active = np.zeros(store.d_sae, np.int64)
        parts = [
            (shard, index * store.contexts_per_shard * store.context_size)
            for index, shard in enumerate(store.shards)
            if index * store.contexts_per_shard < n_contexts
        ]
        for shard, start in parts:
            _count(shard.token, start, counts)
        indptr = offsets(counts)
        feature = np.empty(int(indptr[-1]), np.uint16 if store.d_sae <= 2**16 else np.uint32)
        cursor = indptr[:-1].copy()
        for shard, start in parts:
            _lay_out(shard.indptr, shard.token, start, cursor, feature, n_active)
        return cls(n_contexts, n_tokens, indptr, feature, n_active)


@dataclass(frozen=True)
class RangePartners:
    """Partners by (Jaccard descending, feature_index), one row a feature; -1 behind the last."""

    n_active: Int64[np.ndarray, " n_features"]  # firings of the feature on these tokens
    partner: Int32[np.ndarray, "n_features n"]
    n_joint: Int64[np.ndarray, "n_features n"]
    jaccard: Float64[np.ndarray, "n_features n"]
    lift: Float64[np.ndarray, "n_features n"]
    partner_given_this: Float64[np.ndarray, "n_features n"]
    this_given_partner: Float64[np.ndarray, "n_features n"]
    n_tokens: int


def range_partners(
    events: RangeEvents, first_tokens: FirstTokens, context_size: int, n: int = 10
) -> RangePartners:
    """The `n` features with the largest Jaccard index to each feature of the range."""
    shape = (events.n_features, n)
    partner, n_joint = np.full(shape, -1, np.int32), np.zeros(shape, np.int64)
    jaccard = np.zeros(shape)
    n_this = first_tokens.n_active[events.first : events.first + events.n_features]
    _partners(
        events.indptr, events.context_id, events.position, events.first, context_size,
        first_tokens.indptr, first_tokens.feature, first_tokens.n_active,
        partner, n_joint, jaccard,
    )  # fmt: skip
    n_other = np.maximum(first_tokens.n_active[partner], 1)
    this = np.maximum(n_this, 1)[:, None]
    return RangePartners(
        n_this,
        partner,
        n_joint,
        jaccard,
        n_joint * first_tokens.n_tokens / (this * n_other),
        n_joint / this,
        n_joint / n_other,
        first_tokens.n_tokens,
    )


@compiled
def _count(place_in_shard, start, counts):
    for i in range(place_in_shard.size):
        place = start + np.int64(place_in_shard[i])
        if place < counts.size:
            counts[place] += 1


@compiled
def _lay_out(bounds, place_in_shard, start, cursor, feature, n_active):
    for index in range(bounds.size - 1):
        for i in range(bounds[index], bounds[index + 1]):
            place = start + np.int64(place_in_shard[i])
            if place >= cursor.size:
                break  # places of one feature ascend
            feature[cursor[place]] = index
            cursor[place] += 1
            n_active[index] += 1


@compiled
def _partners(
    indptr, context_id, position, first_feature, context_size, token_indptr, features, n_active,
    partner, n_joint, jaccard,
):  # fmt: skip
    # No joint count is larger than the feature's own: the narrower table fits the first cache.
    narrow, wide = np.zeros(n_active.size, np.uint16), np.zeros(n_active.size, np.uint32)
    about = n_active.astype(np.float32)
    for row in range(partner.shape[0]):
        this = first_feature + row
        part = slice(indptr[row], indptr[row] + n_active[this])
        contexts, positions = context_id[part], position[part]
        if contexts.size < 2**16:
            _add_up(contexts, positions, context_size, token_indptr, features, narrow)
            _strongest(narrow, this, n_active, about, partner[row], n_joint[row], jaccard[row])
        else:
            _add_up(contexts, positions, context_size, token_indptr, features, wide)
            _strongest(wide, this, n_active, about, partner[row], n_joint[row], jaccard[row])


@compiled
def _add_up(context_id, position, context_size, token_indptr, features, joint):
    """Counts, for every feature, on how many of these tokens it fires."""
    n = context_id.size
    for i in range(n):
        if i + 2 * _AHEAD < n:
            soon = i + 2 * _AHEAD
            prefetch(token_indptr, np.int64(context_id[soon]) * context_size + position[soon])
        if i + _AHEAD < n:
            soon = np.int64(context_id[i + _AHEAD]) * context_size + position[i + _AHEAD]
            for entry in range(token_indptr[soon], token_indptr[soon + 1], _LINE):
                prefetch(features, entry)
        place = np.int64(context_id[i]) * context_size + position[i]
        entry, end = np.uint64(token_indptr[place]), np.uint64(token_indptr[place + 1])
        while entry < end:  # unsigned, so that no index is looked at for being negative
            joint[features[entry]] += 1
            entry += np.uint64(1)


@compiled
def _strongest(joint, this, n_active, about, partner, n_joint, jaccard):
    """The features with the largest Jaccard index; `joint` is zero again at the end.

    `about` is `n_active` in float32: enough to tell a block in which nobody can be among them.
    """
    n_kept, n_this, n_features = partner.size, n_active[this], joint.size
    joint[this] = 0
    kept, level = 0, np.float32(0)
    for start in range(0, n_features if n_kept else 0, _BLOCK):
        stop = min(start + _BLOCK, n_features)
        # both / (this + other - both) >= level, without a division
        above, ours = np.float32(1) + level, np.float32(n_this)
        n_above = 0
        for other in range(start, stop):
            n_above += np.float32(joint[other]) * above >= level * (ours + about[other])
        if n_above == 0:
            continue
        for other in range(start, stop):
            both = np.int64(joint[other])
            if both == 0:
                continue
            index = both / (n_this + n_active[other] - both)
            at = kept
            while at > 0 and jaccard[at - 1] < index:
                at -= 1
            if at == n_kept:
                continue
            kept = min(kept + 1, n_kept)
            for j in range(kept - 1, at, -1):
                partner[j], n_joint[j], jaccard[j] = partner[j - 1], n_joint[j - 1], jaccard[j - 1]
            partner[at], n_joint[at], jaccard[at] = other, both, index
        if kept == n_kept:
            level = np.float32(jaccard[kept - 1] * _A_LITTLE_LESS)
    joint[:] = 0
