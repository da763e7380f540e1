"""The stages that need the model and no idea of their own: events, quality, the map of directions.

Tasks for a driver (see `driver.py`): each takes a run and what its piece works on, and calls the
file that knows how. Lists the pieces too. Knows no table.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

from app.db.records import DirectionMap, QualityRecord
from app.precompute.drivers.driver import Piece, Task, Written
from app.precompute.events.events import extract_shard, read_sums, sampled_contexts, shard_files
from app.precompute.preparation import Run
from app.precompute.quality import measure_quality
from app.precompute.weights.direction_map import direction_map
from app.precompute.weights.stage import read_weights
from app.precompute.workplace.stage_recipes import QUALITY, stage_name

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
    """Stage 2: one shard through the model, for all its dictionaries at once."""
    targets = [run.target(sae) for sae in shard.saes]
    settings = run.job.settings
    extract_shard(
        run.model, targets, run.corpus, shard.index,
        per_shard=run.job.per_shard,
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
    files[stage_name("events", targets[0].sae)] += run.kept.files(
        {target.hook_name for target in targets}, shard.index
    )
    return Written(files)


def quality_piece(run: Run) -> Piece:
    """Quality of all dictionaries, which share the clean passes: one piece."""
    return Piece((QUALITY,), "all", min(run.job.settings.quality_contexts, run.corpus.n_contexts))


def measure_all_quality(run: Run, _: None) -> dict[str, QualityRecord]:
    """Stage 6, by dictionary."""
    settings = run.job.settings
    found = measure_quality(
        run.model,
        run.targets,
        [read_sums(target, n_shards(run))[0] for target in run.targets],
        run.corpus,
        n_contexts=settings.quality_contexts,
        seed=settings.seed,
        advance=lambda _: None,
    )
    return {target.sae: item for target, item in zip(run.targets, found, strict=True)}


@dataclass(frozen=True)
class Map:
    """The map of a dictionary, and what is to be said about how it was made."""

    found: DirectionMap | None
    said: list[str]


def draw_map(run: Run, sae: str) -> Map:
    """The decoder directions of one dictionary in two dimensions."""
    settings, said = run.job.settings, list[str]()
    W_dec = run.target(sae).dictionary.W_dec
    return Map(direction_map(W_dec, settings.direction_map, settings.seed, said.append), said)


def dictionary_piece(run: Run, kind: str, sae: str) -> Piece:
    """A whole dictionary as one piece of a stage."""
    d_sae = run.target(sae).dictionary.config.d_sae
    return Piece((stage_name(kind, sae),), "all", d_sae, sae)


EVENTS = Task(extract, "model")
QUALITIES = Task(measure_all_quality, "machine")
WEIGHTS = Task(read_weights, "machine")
MAP = Task(draw_map, "machine")
