"""Stage 2 as pieces of a driver: the shards of contexts that dictionaries lack, and doing one.

Takes a run; a piece is one shard for all dictionaries that don't have it, so that the model runs
once for all of them. How a shard is made `events.py` knows.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

from app.precompute.drivers.driver import Piece, Task, Written
from app.precompute.events.events import extract_shard, sampled_contexts, shard_files
from app.precompute.given.events import rewrite_shard
from app.precompute.preparation import Run
from app.precompute.target import hooks_of
from app.precompute.workplace.stage_recipes import stage_name

_sampled = lru_cache(maxsize=1)(sampled_contexts)


@dataclass(frozen=True)
class EventShard:
    """One block of contexts, for the dictionaries that don't have it yet."""

    index: int
    saes: tuple[str, ...]


def event_pieces(run: Run, done: Mapping[str, Collection[str]]) -> list[Piece]:
    """The shards that any dictionary lacks; `done`: the names of those each dictionary has."""
    per_shard, n_contexts = run.job.per_shard, run.corpus.n_contexts
    pieces = []
    for index in range(n_shards(run)):
        name = f"{index:05d}"
        missing = tuple(sae for sae in run.job.saes if name not in done[sae])
        if missing:
            stages = tuple(stage_name("events", sae) for sae in missing)
            n = min(per_shard, n_contexts - index * per_shard) * run.corpus.context_size
            pieces.append(Piece(stages, name, n, EventShard(index, missing)))
    return pieces


def n_shards(run: Run) -> int:
    """Event shards of each dictionary."""
    return -(-run.corpus.n_contexts // run.job.per_shard)


def extract(run: Run, shard: EventShard) -> Written:
    """Stage 2: one shard through the model, for all its dictionaries at once; or, where firings
    are given, rewritten."""
    targets = [run.target(sae) for sae in shard.saes]
    settings, per_shard = run.job.settings, run.job.per_shard
    if run.given:
        rewrite_shard(run.given, targets, run.corpus, shard.index, per_shard=per_shard)
    else:
        extract_shard(
            run.model, targets, run.corpus, shard.index,
            per_shard=per_shard,
            batch_contexts=run.job.batch_contexts,
            tile_features=run.job.tile_features,
            sample=_sampled(run.corpus.n_contexts, settings.hidden_pre_contexts, settings.seed),
            kept=run.kept,
        )  # fmt: skip
    files = {
        stage_name("events", target.sae): shard_files(target.folder, shard.index)
        for target in targets
    }
    # What dictionaries share is sealed once, with the first of them.
    files[stage_name("events", targets[0].sae)] += run.kept.files(hooks_of(targets), shard.index)
    return Written(files)


EVENTS = Task(extract, "model")
