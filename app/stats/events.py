"""Events: the non-zero activations of a dictionary, one folder per dictionary, one shard per block
of contexts, ordered by feature, then token.

    events.json                 d_sae, context_size, contexts_per_shard, n_contexts
    shard-00000/indptr.npy      int64 [d_sae + 1]: where each feature's events begin
    shard-00000/token.npy       uint16 or uint32 [n]: local context * context_size + position
    shard-00000/activation.npy  float32 [n], all > 0

A token is uint16 where the shard's tokens allow it. Only counted tokens have events. This file
reads, `event_writer` writes. Knows neither how activations came about nor what they are for.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int32, Int64, Integer, UInt

from app import npy
from app.errors import AtlasError
from app.stats.arrays import ascending_order, offsets


@dataclass(frozen=True)
class FeatureEvents:
    """All events of one feature, sorted by (context, position)."""

    feature_index: int
    context_id: Int32[np.ndarray, " n"]  # row of the corpus array
    position: Int32[np.ndarray, " n"]  # from the start of the context, BOS included
    activation: Float32[np.ndarray, " n"]  # > 0
    context_size: int

    @property
    def n_active(self) -> int:
        return self.activation.size

    @cached_property
    def places(self) -> Int64[np.ndarray, " n"]:
        """context_id * context_size + position, ascending."""
        return self.context_id.astype(np.int64) * self.context_size + self.position

    @cached_property
    def ascending(self) -> Int64[np.ndarray, " n"]:
        """Indices by (activation, context, position): sorted once, used by several statistics."""
        return ascending_order(self.activation)

    @cached_property
    def ordered_activation(self) -> Float32[np.ndarray, " n"]:
        """The activations in that order."""
        return self.activation[self.ascending]

    def strongest(self, k: int) -> Int64[np.ndarray, " m"]:
        """The `k` strongest (all, if fewer), by (activation descending, context, position)."""
        k = min(k, self.n_active)
        if k == 0:
            return np.zeros(0, dtype=np.int64)
        ordered = self.ordered_activation
        level = ordered[-k]
        first, end = np.searchsorted(ordered, level), np.searchsorted(ordered, level, side="right")
        n_above = ordered.size - end
        kept = np.concatenate([self.ascending[end:], self.ascending[first : first + k - n_above]])
        return kept[np.lexsort((kept, -self.activation[kept]))]

    @cached_property
    def context_starts(self) -> Int64[np.ndarray, " n_contexts_active"]:
        """Index of the first event of each context it fires in."""
        if self.n_active == 0:
            return np.zeros(0, dtype=np.int64)
        changes = np.flatnonzero(self.context_id[1:] != self.context_id[:-1]) + 1
        return np.concatenate([np.zeros(1, dtype=np.int64), changes])


@dataclass(frozen=True)
class Shard:
    """One block of contexts, memory-mapped."""

    indptr: Int64[np.ndarray, " d_sae_plus_one"]
    token: UInt[np.ndarray, " n"]
    activation: Float32[np.ndarray, " n"]


@dataclass(frozen=True)
class EventStore:
    """Reads a folder of shards. Holds maps only: memory does not grow with the corpus."""

    folder: Path
    d_sae: int
    context_size: int
    contexts_per_shard: int
    n_contexts: int
    shards: list[Shard]

    @classmethod
    def open(cls, folder: Path) -> "EventStore":
        """Map all shards. AtlasError when the manifest or a shard is missing or does not fit."""
        folder = Path(folder)
        try:
            manifest = json.loads((folder / "events.json").read_text(encoding="utf-8"))
            d_sae, context_size, per_shard, n_contexts = (
                int(manifest[key])
                for key in ("d_sae", "context_size", "contexts_per_shard", "n_contexts")
            )
            n_shards = -(-n_contexts // per_shard)
            shards = [_open_shard(folder / shard_name(i), d_sae) for i in range(n_shards)]
        except (OSError, ValueError, KeyError) as error:
            raise AtlasError(
                f"The events in {folder} cannot be read ({error}); they are complete only after "
                "the events stage has ended: run precompute again, it resumes where it was."
            ) from error
        return cls(folder, d_sae, context_size, per_shard, n_contexts, shards)

    def n_active(self) -> Int64[np.ndarray, " d_sae"]:
        """Firings of each feature over the whole corpus."""
        total = np.zeros(self.d_sae, dtype=np.int64)
        for shard in self.shards:
            total += np.diff(shard.indptr)
        return total

    def ranges(self, max_events: int) -> Iterator[tuple[int, int]]:
        """Feature ranges [start, stop) of at most `max_events` events (but at least one feature).

        `features` holds one range in memory at about 12 bytes an event.
        """
        before = offsets(self.n_active())
        start = 0
        while start < self.d_sae:
            stop = int(np.searchsorted(before, before[start] + max_events, side="right")) - 1
            stop = min(max(stop, start + 1), self.d_sae)
            yield start, stop
            start = stop

    def features(self, start: int, stop: int) -> Iterator[FeatureEvents]:
        """Events of the features in [start, stop), dead ones too; reads each shard's slice once."""
        counts = np.zeros(stop - start, dtype=np.int64)
        for shard in self.shards:
            counts += np.diff(shard.indptr[start : stop + 1])
        indptr = offsets(counts)
        context_id, position, activation = self._gather(start, stop, indptr)
        for i in range(stop - start):
            part = slice(indptr[i], indptr[i + 1])
            yield FeatureEvents(
                start + i, context_id[part], position[part], activation[part], self.context_size
            )

    def context(
        self, context_id: int
    ) -> tuple[Integer[np.ndarray, " n"], Integer[np.ndarray, " n"], Float32[np.ndarray, " n"]]:
        """(feature_index, position, activation) of every firing in one context, by feature, then
        position. Looks through the tokens of one shard.
        """
        shard = self.shards[context_id // self.contexts_per_shard]
        first = context_id % self.contexts_per_shard * self.context_size
        # Compared in the shard's own type, which is half as wide as what the borders would make it.
        low, high = (
            shard.token.dtype.type(first),
            shard.token.dtype.type(first + self.context_size - 1),
        )
        rows = np.flatnonzero((shard.token >= low) & (shard.token <= high))
        feature = np.searchsorted(shard.indptr, rows, side="right") - 1
        return feature, shard.token[rows].astype(np.int64) - first, shard.activation[rows]

    def _gather(
        self, start: int, stop: int, indptr: Integer[np.ndarray, " m"]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(context_id, position, activation) of a range, each feature's shards in order."""
        total = int(indptr[-1])
        context_id = np.empty(total, dtype=np.int32)
        position = np.empty(total, dtype=np.int32)
        activation = np.empty(total, dtype=np.float32)
        cursor = indptr[:-1].copy()  # where the next event of each feature goes
        for index, shard in enumerate(self.shards):
            bounds = shard.indptr[start : stop + 1]
            lengths = np.diff(bounds)
            target = np.repeat(cursor - (bounds[:-1] - bounds[0]), lengths)
            target += np.arange(target.size)
            token = shard.token[bounds[0] : bounds[-1]].astype(np.uint32)
            local = token // np.uint32(self.context_size)
            context_id[target] = local + np.uint32(index * self.contexts_per_shard)
            position[target] = token - local * np.uint32(self.context_size)
            activation[target] = shard.activation[bounds[0] : bounds[-1]]
            cursor += lengths
        return context_id, position, activation


def shard_name(index: int) -> str:
    return f"shard-{index:05d}"


def _open_shard(folder: Path, d_sae: int) -> Shard:
    arrays = (npy.mapped(folder / f"{name}.npy") for name in ("indptr", "token", "activation"))
    shard = Shard(*arrays)
    if shard.indptr.size != d_sae + 1 or not (
        shard.indptr[-1] == shard.token.size == shard.activation.size
    ):
        raise ValueError(f"{folder.name} does not hold events of {d_sae} features")
    return shard
