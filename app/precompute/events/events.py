"""Stage 2: the corpus once through the model, and every firing of every dictionary kept on disk.

Takes the model, the dictionaries (at any hooks of it) and the stored contexts; leaves, for each
dictionary, event shards as `app.stats.events` reads them and beside each shard its sums: what
quality and position 0 need, so that nothing later has to run the model over the corpus again.
A shard that is there is whole; which are there, and who runs the others, the pipeline knows. Knows
no statistic.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool

from app import npy
from app.precompute.events.harvest import Harvest, PositionZeroSums
from app.precompute.events.kept_activations import KeptActivations
from app.precompute.model.model import Model
from app.precompute.target import Target, hooks_of
from app.stats.corpus import Corpus
from app.stats.event_writer import write_manifest
from app.stats.events import shard_name
from app.stats.hashing import place_hashes
from app.stats.hidden_pre import sums_path
from app.stats.quality import QualitySums


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


def write_manifests(targets: Sequence[Target], corpus: Corpus, per_shard: int) -> None:
    """What all shards of a dictionary agree on, into each dictionary's folder."""
    for target in targets:
        write_manifest(
            target.folder,
            d_sae=target.dictionary.config.d_sae,
            context_size=corpus.context_size,
            contexts_per_shard=per_shard,
            n_contexts=corpus.n_contexts,
        )


def extract_shard(
    model: Model,
    targets: Sequence[Target],
    corpus: Corpus,
    index: int,
    *,
    per_shard: int,
    batch_contexts: int,
    tile_features: int,
    sample: Bool[np.ndarray, " n_contexts"],
    kept: KeptActivations,
) -> None:
    """One shard through the model, for all dictionaries; an older one of that index is replaced.

    Shards are independent of each other. Memory: one shard's events (see `Harvest`) and one batch.
    """
    start = index * per_shard
    stop = min(start + per_shard, corpus.n_contexts)
    harvests = [Harvest(target, corpus, start, stop - start, tile_features) for target in targets]
    hook_names = hooks_of(targets)
    with kept.writing(hook_names, index) as writing:
        for first in range(start, stop, batch_contexts):
            last = min(first + batch_contexts, stop)
            tokens = torch.from_numpy(corpus.tokens[first:last].astype(np.int64))
            activations = model.activations(tokens, hook_names)
            writing.add(activations)
            for harvest in harvests:
                x, y = (activations[name] for name in harvest.target.hooks)
                harvest.add(first, x, y, sample[first:last])
    for harvest in harvests:
        harvest.write(index)


def shard_files(folder: Path, index: int) -> list[Path]:
    """Every file that `extract_shard` leaves for one dictionary and one shard."""
    shard = sorted((folder / shard_name(index)).iterdir())
    return [*shard, *sorted(folder.glob(f"*-{index:05d}.np[yz]"))]


def read_sums(target: Target, n_shards: int) -> tuple[QualitySums, PositionZeroSums]:
    """The sums of all shards of a dictionary, merged in order."""
    d_sae = target.dictionary.config.d_sae
    quality, zero = QualitySums.empty(target.d_out), PositionZeroSums.zeros(d_sae)
    for index in range(n_shards):
        arrays = npy.archive(sums_path(target.folder, index))
        quality.merge(QualitySums.from_state(json.loads(str(arrays["quality"]))))
        zero.merge(
            PositionZeroSums(arrays["zero_n_active"], arrays["zero_total"], arrays["zero_max"])
        )
    return quality, zero
