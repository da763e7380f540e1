"""Stage 2: the corpus once through the model, and every firing of every dictionary kept on disk.

Takes the model, the dictionaries (at any hooks of it) and the stored contexts; leaves, for each
dictionary, event shards as `app.stats.events` reads them and beside each shard its sums: what
quality and position 0 need, so that nothing later has to run the model over the corpus again.
A shard that is there is whole, so a run that was cut short goes on behind it. Knows no statistic.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64
from torch import Tensor

from app.precompute.model import LanguageModel
from app.precompute.workers import Workers
from app.sae.dictionary import Dictionary
from app.stats.corpus import Corpus
from app.stats.event_writer import has_shard, write_manifest, write_shard
from app.stats.hashing import place_hashes
from app.stats.quality import QualitySums
from app.stats.reconstruction import ErrorSums

ROWS_AT_ONCE = 512
"""Tokens encoded at a time: their activations stay in the cache between encoder and selection."""


@dataclass(frozen=True)
class Target:
    """One dictionary of the run: its address part, where it reads, where its events go."""

    sae: str
    dictionary: Dictionary
    hook_name: str
    folder: Path


@dataclass
class PositionZeroSums:
    """Firings at position 0, kept apart from every count: [d_sae] each."""

    n_active: Int64[np.ndarray, " d_sae"]
    total: Float64[np.ndarray, " d_sae"]
    max: Float32[np.ndarray, " d_sae"]

    @classmethod
    def zeros(cls, d_sae: int) -> "PositionZeroSums":
        """Sums of nothing."""
        return cls(np.zeros(d_sae, np.int64), np.zeros(d_sae), np.zeros(d_sae, np.float32))

    def add(self, feature_acts: Float[Tensor, "n d_sae"]) -> None:
        """Takes in the activations at position 0 of some contexts."""
        acts = feature_acts.float().cpu()
        self.n_active += (acts > 0).sum(dim=0).numpy()
        self.total += acts.double().sum(dim=0).numpy()
        self.max = np.maximum(self.max, acts.max(dim=0).values.numpy())

    def merge(self, other: "PositionZeroSums") -> None:
        """Adds the sums of other contexts."""
        self.n_active += other.n_active
        self.total += other.total
        self.max = np.maximum(self.max, other.max)


def contexts_per_shard(context_size: int) -> int:
    """As many contexts as keep a place inside a shard within 16 bits."""
    return max(1, 2**16 // context_size)


def sampled_contexts(
    n_contexts: int, n_sample: int, seed: int, stream: int = 0
) -> Bool[np.ndarray, " n_contexts"]:
    """A seeded sample of contexts, those with the smallest hashes; streams are independent."""
    ids = np.arange(n_contexts, dtype=np.int64)
    hashes = place_hashes(seed, stream, ids, np.zeros_like(ids))
    chosen = np.zeros(n_contexts, dtype=np.bool_)
    chosen[np.argsort(hashes, kind="stable")[:n_sample]] = True
    return chosen


def extract_events(
    model: LanguageModel,
    targets: Sequence[Target],
    corpus: Corpus,
    *,
    per_shard: int,
    batch_contexts: int,
    sample: Bool[np.ndarray, " n_contexts"],
    advance: Callable[[int], None],
    n_workers: int | None = None,
) -> None:
    """Runs every shard that is not there yet; `advance` is told the tokens done.

    Shards are independent, so each worker has one of them. Memory, for each worker: one shard's
    events (6 to 8 bytes each on disk, about 30 while sorting) and one batch.
    """
    for target in targets:
        write_manifest(
            target.folder,
            d_sae=target.dictionary.config.d_sae,
            context_size=corpus.context_size,
            contexts_per_shard=per_shard,
            n_contexts=corpus.n_contexts,
        )
    counter = Lock()

    def count(n_tokens: int) -> None:
        with counter:
            advance(n_tokens)

    def extract(twin: LanguageModel, start: int) -> None:
        stop = min(start + per_shard, corpus.n_contexts)
        harvests = [_Harvest(target, corpus, start, stop - start) for target in targets]
        for first in range(start, stop, batch_contexts):
            last = min(first + batch_contexts, stop)
            tokens = torch.from_numpy(corpus.tokens[first:last].astype(np.int64))
            activations = twin.activations(tokens, [target.hook_name for target in targets])
            for harvest in harvests:
                harvest.add(first, activations[harvest.target.hook_name], sample[first:last])
            count(tokens.numel())
        for harvest in harvests:
            harvest.write(start // per_shard)

    todo = []
    for index, start in enumerate(range(0, corpus.n_contexts, per_shard)):
        if all(has_shard(target.folder, index) for target in targets):
            advance(min(per_shard, corpus.n_contexts - start) * corpus.context_size)
        else:
            todo.append(start)
    for _ in Workers(model, n_workers).map(extract, todo):
        pass


def read_sums(target: Target, n_shards: int) -> tuple[QualitySums, PositionZeroSums]:
    """The sums of all shards of a dictionary, merged in order."""
    d_sae, d_in = target.dictionary.config.d_sae, target.dictionary.config.d_in
    quality, zero = QualitySums.empty(d_in), PositionZeroSums.zeros(d_sae)
    for index in range(n_shards):
        with np.load(_sums_path(target.folder, index), allow_pickle=False) as arrays:
            quality.merge(QualitySums.from_state(json.loads(str(arrays["quality"]))))
            zero.merge(
                PositionZeroSums(arrays["zero_n_active"], arrays["zero_total"], arrays["zero_max"])
            )
    return quality, zero


def read_hidden_pre_sample(
    target: Target, n_shards: int
) -> tuple[Int64[np.ndarray, " n"], Float[np.ndarray, "n d_sae"]]:
    """(places, hidden_pre) of the sampled contexts' counted tokens; float16 as stored."""
    places, rows = [], []
    for index in range(n_shards):
        with np.load(_sums_path(target.folder, index), allow_pickle=False) as arrays:
            places.append(arrays["sample_place"])
            rows.append(arrays["sample_hidden_pre"])
    return np.concatenate(places), np.concatenate(rows)


def _sums_path(folder: Path, index: int) -> Path:
    return folder / f"sums-{index:05d}.npz"


class _Harvest:
    """What one shard gives for one dictionary, batch by batch."""

    def __init__(self, target: Target, corpus: Corpus, start: int, n_contexts: int) -> None:
        self.target = target
        self._corpus = corpus
        self._start = start
        self._events: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._quality = QualitySums.empty(target.dictionary.config.d_in)
        self._zero = PositionZeroSums.zeros(target.dictionary.config.d_sae)
        self._sample: list[tuple[np.ndarray, np.ndarray]] = []
        self._errors = ErrorSums(n_contexts, corpus.context_size)

    def add(
        self,
        first: int,
        x: Float[Tensor, "batch pos d_in"],
        sample: Bool[np.ndarray, " batch"],
    ) -> None:
        """Takes in the hook's activations of the contexts from `first` on."""
        counted = np.array(self._corpus.counted[first : first + len(x)])  # a copy of the map
        places = np.flatnonzero(counted) + (first - self._start) * self._corpus.context_size
        sampled = np.repeat(sample, counted.sum(axis=1))
        rows = x[torch.from_numpy(counted).to(x.device)].float()
        for begin in range(0, len(rows), ROWS_AT_ONCE):
            tile = slice(begin, begin + ROWS_AT_ONCE)
            self._add_tile(rows[tile], places[tile], sampled[tile])
        self._zero.add(self.target.dictionary.encode(x[:, 0].float()))

    def _add_tile(
        self,
        x: Float[Tensor, "n d_in"],
        places: Int64[np.ndarray, " n"],
        sampled: Bool[np.ndarray, " n"],
    ) -> None:
        dictionary = self.target.dictionary
        hidden_pre, feature_acts = dictionary.forward_encoder(x)
        row, feature = feature_acts.nonzero(as_tuple=True)
        activation = feature_acts[row, feature]
        x_hat = dictionary.decode_events(row, feature, activation, x)
        row, feature, activation = row.cpu().numpy(), feature.cpu().numpy(), activation.cpu()
        self._events.append(
            (
                feature.astype(np.uint32),
                places[row].astype(np.uint32),
                activation.float().numpy(),
            )
        )
        original, reconstruction = x.cpu().numpy(), x_hat.float().cpu().numpy()
        self._quality.merge(QualitySums.of(original, reconstruction, len(row)))
        self._errors.add(places, original, reconstruction)
        if sampled.any():
            kept = hidden_pre[torch.from_numpy(sampled).to(x.device)]
            offset = self._start * self._corpus.context_size
            self._sample.append(
                (places[sampled].astype(np.int64) + offset, kept.half().cpu().numpy())
            )

    def write(self, index: int) -> None:
        """Puts the shard on disk: the sums first, so that a shard that exists has them."""
        d_sae = self.target.dictionary.config.d_sae
        none = (np.zeros(0, np.int64), np.zeros((0, d_sae), np.float16))
        place, hidden_pre = (np.concatenate(part) for part in zip(none, *self._sample, strict=True))
        path = _sums_path(self.target.folder, index)
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            np.savez(
                file,
                zero_n_active=self._zero.n_active,
                zero_total=self._zero.total,
                zero_max=self._zero.max,
                sample_place=place,
                sample_hidden_pre=hidden_pre,
                quality=json.dumps(self._quality.state()),
            )
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        self._errors.write(self.target.folder, index)
        # A shard in which nothing is counted has no events at all.
        none = (np.zeros(0, np.uint32), np.zeros(0, np.uint32), np.zeros(0, np.float32))
        feature, token, activation = (
            np.concatenate(part) for part in zip(none, *self._events, strict=True)
        )
        write_shard(self.target.folder, index, feature, token, activation, d_sae)
