"""Which features fire on the same tokens: for every feature its partners by Jaccard index.

Takes an event store and the corpus, gives one record per feature. Counts over the first contexts up
to a stated number of tokens, never a d_sae × d_sae matrix. Knows nothing of why they fire together.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, Integer, UInt

from app.stats.arrays import offsets, ragged_ranges, strongest
from app.stats.corpus import Corpus
from app.stats.events import EventStore, FeatureEvents

_BLOCK = 1 << 15  # entries counted at once: their indices stay in the second-level cache


@dataclass(frozen=True)
class Coactive:
    """Partners of one feature, by (Jaccard descending, feature_index); each fires with it once."""

    feature_index: int
    n_active: int  # firings of this feature in the set of tokens
    partner: Int64[np.ndarray, " n"]  # feature_index
    n_joint: Int64[np.ndarray, " n"]  # tokens on which both fire
    jaccard: Float64[np.ndarray, " n"]  # n_joint / tokens on which either fires
    lift: Float64[np.ndarray, " n"]  # P(both) / (P(this) P(partner))
    partner_given_this: Float64[np.ndarray, " n"]  # n_joint / firings of this
    this_given_partner: Float64[np.ndarray, " n"]  # n_joint / firings of the partner


@dataclass(frozen=True)
class TokenSet:
    """Which features fire on each of the first tokens: rows [indptr[t], indptr[t + 1]).

    Memory: 2 bytes an event (4 from 65,537 features on) and 8 a token, for these tokens only.
    """

    n_contexts: int  # the first so many contexts
    n_tokens: int  # their counted tokens
    indptr: Int64[np.ndarray, " n_places_plus_one"]
    feature: UInt[np.ndarray, " n_events"]
    n_active: Int64[np.ndarray, " d_sae"]  # firings of each feature on these tokens

    @classmethod
    def first_contexts(cls, store: EventStore, corpus: Corpus, max_tokens: int) -> "TokenSet":
        """The longest start of the corpus with at most `max_tokens` counted tokens.

        Cut at contexts, so shard size changes nothing; at least one context.
        """
        running = np.cumsum(corpus.counted.sum(axis=1, dtype=np.int64))
        n_contexts = max(int(np.searchsorted(running, max_tokens, side="right")), 1)
        lengths: list[np.ndarray] = []
        features: list[np.ndarray] = []
        for shard in range(len(store.shards)):
            n_left = n_contexts - shard * store.contexts_per_shard
            if n_left <= 0:
                break
            indptr, feature = store.by_token(shard)
            indptr = indptr[: n_left * store.context_size + 1]
            lengths.append(np.diff(indptr))
            features.append(feature[: indptr[-1]])
        feature = np.concatenate(features)
        n_active = np.bincount(feature, minlength=store.d_sae).astype(np.int64)
        indptr = offsets(np.concatenate(lengths))
        return cls(n_contexts, int(running[n_contexts - 1]), indptr, feature, n_active)

    def partners(self, events: FeatureEvents, n: int = 10) -> Coactive:
        """The `n` features with the largest Jaccard index to the feature of `events`."""
        index = events.feature_index
        places = events.places[: np.searchsorted(events.places, self.indptr.size - 1)]
        joint = self._joint_counts(places)
        joint[index] = 0  # itself
        other = np.flatnonzero(joint)
        n_joint, n_this, n_other = joint[other], places.size, self.n_active[other]
        jaccard = n_joint / (n_this + n_other - n_joint)
        top = strongest(jaccard, n)
        n_joint, n_other = n_joint[top], n_other[top]
        return Coactive(
            index,
            n_this,
            other[top],
            n_joint,
            jaccard[top],
            n_joint / n_other * (self.n_tokens / max(n_this, 1)),
            n_joint / max(n_this, 1),
            n_joint / n_other,
        )

    def _joint_counts(self, places: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " d_sae"]:
        starts = self.indptr[places]
        lengths = self.indptr[places + 1] - starts
        counts = np.zeros(self.n_active.size, dtype=np.int64)
        for block in _blocks(lengths):
            entries = ragged_ranges(starts[block], lengths[block])
            counts += np.bincount(self.feature[entries], minlength=counts.size)
        return counts


def coactivation(
    store: EventStore,
    token_set: TokenSet,
    n_strongest: int = 10,
    events_at_once: int = 1 << 24,
) -> Iterator[Coactive]:
    """Every feature's partners, in feature order; holds `events_at_once` events besides the set."""
    for start, stop in store.ranges(events_at_once):
        for events in store.features(start, stop):
            yield token_set.partners(events, n_strongest)


def _blocks(lengths: Integer[np.ndarray, " n"]) -> Iterator[slice]:
    """Slices of rows that hold about _BLOCK entries together."""
    ends = np.cumsum(lengths)
    start = 0
    while start < lengths.size:
        done = int(ends[start - 1]) if start else 0
        stop = max(int(np.searchsorted(ends, done + _BLOCK, side="right")), start + 1)
        yield slice(start, stop)
        start = stop
