"""Stage 2 where the firings are given: rewritten as event shards, block of contexts by block.

Takes firings by place and feature, in any order, and the stored contexts that say which tokens
count; leaves shards as `app.stats.events` reads them, with sums beside them that hold what can be
known: firings at position 0, and nothing of activations or reconstructions. Firings at other tokens
that don't count are left out, as everywhere. Knows no file format and no model.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int64

from app.precompute.events.harvest import PositionZeroSums, write_sums
from app.precompute.target import Target
from app.stats.corpus import Corpus
from app.stats.event_writer import write_shard
from app.stats.hidden_pre import write_hidden_pre
from app.stats.quality import QualitySums


@runtime_checkable
class GivenFirings(Protocol):
    """Some firings."""

    @property
    def sequence(self) -> Int64[np.ndarray, " n"]:
        """row of the given tokens"""
        ...

    @property
    def position(self) -> Int64[np.ndarray, " n"]: ...

    @property
    def feature(self) -> Int64[np.ndarray, " n"]: ...

    @property
    def activation(self) -> Float[np.ndarray, " n"]:
        """finite; what is not above 0 doesn't fire"""
        ...


@runtime_checkable
class GivenEvents(Protocol):
    """All firings of one dictionary over rows of tokens, readable block by block."""

    @property
    def d_sae(self) -> int: ...

    @property
    def n_sequences(self) -> int: ...

    @property
    def context_size(self) -> int: ...

    def tokens(self) -> Iterator[Int64[np.ndarray, "n context_size"]]:
        """The token ids of all sequences, block by block."""
        ...

    def rows(self, start: int, stop: int) -> Int64[np.ndarray, "n context_size"]:
        """The token ids of the sequences [start, stop)."""
        ...

    def firings(self, start: int, stop: int) -> Iterator[GivenFirings]:
        """Those in the sequences [start, stop)."""
        ...

    def tokens_hash(self) -> str:
        """Of shape and ids."""
        ...


def rewrite_shard(
    given: Mapping[str, GivenEvents],
    targets: Sequence[Target],
    corpus: Corpus,
    index: int,
    *,
    per_shard: int,
) -> None:
    """One shard of every dictionary; an older one of that index is replaced.

    Memory: the shard's firings, some 40 bytes each while they are sorted.
    """
    start = index * per_shard
    stop = min(start + per_shard, corpus.n_contexts)
    for target in targets:
        found = _Block.of(given[target.sae], target.dictionary.config.d_sae, corpus, start, stop)
        write_sums(
            target.folder, index, found.zero, np.zeros(0, np.int64), QualitySums.empty(target.d_out)
        )
        write_hidden_pre(target.folder, index, [])
        write_shard(
            target.folder, index, found.feature, found.token, found.activation,
            target.dictionary.config.d_sae,
        )  # fmt: skip


@dataclass(frozen=True)
class _Block:
    """What a block of contexts holds."""

    feature: np.ndarray
    token: np.ndarray
    activation: np.ndarray
    zero: PositionZeroSums

    @classmethod
    def of(cls, given: GivenEvents, d_sae: int, corpus: Corpus, start: int, stop: int) -> "_Block":
        zero = PositionZeroSums.zeros(d_sae)
        columns: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        counted = np.array(corpus.counted[start:stop])
        for part in given.firings(start, stop):
            fires = part.activation > 0
            at_zero = fires & (part.position == 0)
            zero.add(part.feature[at_zero], part.activation[at_zero].astype(np.float32))
            kept = fires & counted[part.sequence - start, part.position]
            token = (part.sequence - start) * corpus.context_size + part.position
            columns.append(
                (
                    part.feature[kept].astype(np.uint32),
                    token[kept].astype(np.uint32),
                    part.activation[kept].astype(np.float32),
                )
            )
        none = (np.zeros(0, np.uint32), np.zeros(0, np.uint32), np.zeros(0, np.float32))
        feature, token, activation = map(np.concatenate, zip(none, *columns, strict=True))
        return cls(feature, token, activation, zero)
