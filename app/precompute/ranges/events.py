"""All events of a range of features in a few flat arrays, and the corpus as compiled loops want it.

Takes an event store and a corpus; each shard's slice of the range is read once. Memory: 16 bytes an
event. Knows no statistic.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64, Integer, UInt32

from app.precompute.ranges.compiled import compiled
from app.stats.arrays import offsets
from app.stats.corpus import Corpus
from app.stats.events import EventStore


@dataclass(frozen=True)
class RangeEvents:
    """The events of features first, first + 1 …: rows [indptr[i], indptr[i + 1]) by place."""

    first: int
    indptr: Int64[np.ndarray, " n_features_plus_one"]
    context_id: Int32[np.ndarray, " n"]
    position: Int32[np.ndarray, " n"]
    activation: Float32[np.ndarray, " n"]  # > 0
    token_id: UInt32[np.ndarray, " n"]

    @property
    def n_features(self) -> int:
        return self.indptr.size - 1

    @property
    def n_active(self) -> Int64[np.ndarray, " n_features"]:
        return np.diff(self.indptr)


@dataclass(frozen=True)
class Ground:
    """The corpus' arrays in one form each, so that every loop is compiled once for all corpora."""

    tokens: Integer[np.ndarray, " n_places"]
    counted: Bool[np.ndarray, " n_places"]
    documents: Int32[np.ndarray, " n_places"]
    first_counted: Int32[np.ndarray, " n_contexts"]
    last_counted: Int32[np.ndarray, " n_contexts"]
    gap_indptr: Int64[np.ndarray, " n_contexts_plus_one"]  # gaps of each context
    gap_position: Int32[np.ndarray, " n_gaps"]
    occurrences: Int64[np.ndarray, " d_vocab"]
    token_indptr: Int64[np.ndarray, " d_vocab_plus_one"]  # counted places of each token id
    token_places: Integer[np.ndarray, " n_tokens"]
    counted_per_position: Int64[np.ndarray, " context_size"]
    tokens_per_document: Int64[np.ndarray, " n_documents"]
    context_size: int
    n_tokens: int  # counted

    @classmethod
    def of(cls, corpus: Corpus) -> "Ground":
        """Memory: the corpus stays mapped; 4 or 8 bytes a token for the places by token id."""
        gap_context, gap_position = np.divmod(corpus.gaps, corpus.context_size)
        gaps = np.bincount(gap_context, minlength=corpus.n_contexts).astype(np.int64)
        token_indptr, token_places = corpus.inverted_index
        return cls(
            _read_only(corpus.flat_tokens),
            _read_only(corpus.flat_counted),
            _read_only(corpus.flat_document_ids),
            _read_only(corpus.first_counted),
            _read_only(corpus.last_counted),
            _read_only(offsets(gaps)),
            _read_only(gap_position.astype(np.int32)),
            _read_only(corpus.occurrences),
            _read_only(token_indptr),
            _read_only(token_places),
            corpus.counted_per_position,
            corpus.tokens_per_document,
            corpus.context_size,
            corpus.n_tokens,
        )

    @property
    def n_places(self) -> int:
        return self.tokens.size

    @property
    def d_vocab(self) -> int:
        return self.occurrences.size


def range_events(store: EventStore, ground: Ground, first: int, stop: int) -> RangeEvents:
    """The events of the features in [first, stop), dead ones too."""
    counts = np.zeros(stop - first, dtype=np.int64)
    for shard in store.shards:
        counts += np.diff(shard.indptr[first : stop + 1])
    indptr = offsets(counts)
    total = int(indptr[-1])
    events = RangeEvents(
        first,
        indptr,
        np.empty(total, dtype=np.int32),
        np.empty(total, dtype=np.int32),
        np.empty(total, dtype=np.float32),
        np.empty(total, dtype=np.uint32),
    )
    cursor = indptr[:-1].copy()
    for index, shard in enumerate(store.shards):
        _take_shard(
            _read_only(shard.indptr[first : stop + 1]),
            _read_only(shard.token),
            _read_only(shard.activation),
            ground.tokens,
            store.context_size,
            index * store.contexts_per_shard,
            cursor,
            events.context_id,
            events.position,
            events.activation,
            events.token_id,
        )
    return events


@compiled
def _take_shard(
    bounds: Int64[np.ndarray, " n_features_plus_one"],
    place_in_shard: Integer[np.ndarray, " n_in_shard"],
    activation: Float32[np.ndarray, " n_in_shard"],
    tokens: Integer[np.ndarray, " n_places"],
    context_size: int,
    first_context: int,
    cursor: Int64[np.ndarray, " n_features"],
    to_context: Int32[np.ndarray, " n"],
    to_position: Int32[np.ndarray, " n"],
    to_activation: Float32[np.ndarray, " n"],
    to_token: UInt32[np.ndarray, " n"],
) -> None:
    """Puts one shard's events behind those of the shards before; moves `cursor` on."""
    shard_start = first_context * context_size
    for row in range(cursor.size):
        to = cursor[row]
        context, start, end = 0, 0, 0
        for i in range(bounds[row], bounds[row + 1]):
            place = np.int64(place_in_shard[i])
            if place >= end:
                context = place // context_size
                start = context * context_size
                end = start + context_size
            to_context[to] = first_context + context
            to_position[to] = place - start
            to_activation[to] = activation[i]
            to_token[to] = tokens[shard_start + place]
            to += 1
        cursor[row] = to


def _read_only(array: np.ndarray) -> np.ndarray:
    """Memory maps can't be written to; to the compiler that is a type of its own."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view
