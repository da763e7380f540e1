"""Stage 3: what only counts, "statistics", "co-activation" and "near misses", range by range.

Takes a dictionary's event shards and the corpus, from shared storage; gives one `RangeStatistics`,
`RangePartners` or `RangeNearMisses` a range: flat arrays that can be pickled, 12 to 25 kB a
feature. Ranges are independent of each other and of how they are cut: a feature gets the same
numbers in any. Lists the ranges as pieces of a driver (see `driver.py`). Knows no weights, no model
and no table; imports no torch, so that processes that do nothing else start fast and stay small.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from app.precompute.drivers.driver import Piece, Task
from app.precompute.job import FeatureRange, Job
from app.precompute.ranges.coactivation import FirstTokens, RangePartners, range_partners
from app.precompute.ranges.describe import RangeStatistics, describe_events
from app.precompute.ranges.events import Ground, RangeEvents, range_events
from app.precompute.ranges.near_misses import RangeNearMisses, range_near_misses
from app.precompute.workplace.stage_recipes import NEAR, stage_name
from app.stats.corpus import Corpus
from app.stats.events import EventStore
from app.stats.feature import StatisticsSettings
from app.stats.hidden_pre import HiddenPreSample

EVENTS_AT_ONCE = 1_000_000
"""Events of one range: about 60 MB while it is described."""


@dataclass(frozen=True)
class ThresholdRange:
    """A range of features, and the `hidden_pre` above which each of them fires."""

    part: FeatureRange
    threshold: Float64[np.ndarray, " n_features"] | None
    """None where none has one of its own: under per-token top-k"""


def statistics_pieces(job: Job, sae: str) -> list[Piece]:
    """The pieces of stage 3 of one dictionary."""
    return _pieces(job, "statistics", sae, EVENTS_AT_ONCE)


def partner_pieces(job: Job, sae: str) -> list[Piece]:
    """The pieces of co-activation of one dictionary; none where none is asked for."""
    if not job.settings.coactivation_tokens:
        return []
    return _pieces(job, "co-activation", sae, 4 * EVENTS_AT_ONCE)


def near_miss_pieces(
    job: Job, sae: str, threshold: Float64[np.ndarray, " d_sae"] | None
) -> list[Piece]:
    """The pieces of near misses and flicker of one dictionary, cut as its statistics are; none
    where no `hidden_pre` was kept. `threshold`: of its features, where they have one.
    """
    if not job.settings.hidden_pre_contexts:
        return []
    return [
        replace(piece, matter=ThresholdRange(part, own))
        for piece in _pieces(job, NEAR, sae, EVENTS_AT_ONCE)
        for part in [piece.matter]
        for own in [None if threshold is None else threshold[part.first : part.last]]
    ]


def count_range(job: Job, matter: FeatureRange) -> RangeStatistics:
    """Stage 3: every statistic that events give."""
    return describe_range(
        job.events_folder(matter.sae),
        job.corpus_folder,
        StatisticsSettings.told(vars(job.settings)),
        (matter.first, matter.last),
    )


def count_partners(job: Job, matter: FeatureRange) -> RangePartners:
    """Co-activation: the features that fire on the same tokens."""
    return describe_partners(
        job.events_folder(matter.sae),
        job.corpus_folder,
        job.settings.coactivation_tokens,
        (matter.first, matter.last),
    )


def count_near_misses(job: Job, matter: ThresholdRange) -> RangeNearMisses:
    """Where the features nearly fired, in the sample of `hidden_pre`.

    Holds the range's events, a block of the sample, and from call to call the sample's places.
    """
    part, folder = matter.part, job.events_folder(matter.part.sae)
    ground, store = _ground(job.corpus_folder), EventStore.open(folder)
    events = range_events(store, ground, part.first, part.last)
    sample = _sample(folder, len(store.shards))
    return range_near_misses(events, ground, sample, matter.threshold, job.settings.near_misses)


STATISTICS = Task(count_range, "events")
CO_ACTIVATION = Task(count_partners, "events")
NEAR_MISSES = Task(count_near_misses, "events")


def describe_range(
    events_folder: Path,
    corpus_folder: Path,
    settings: StatisticsSettings,
    part: tuple[int, int],
) -> RangeStatistics:
    """The statistics of the features [first, stop) of a dictionary.

    Holds the range's events, and from call to call the corpus' places by token: 4 bytes a token.
    Several threads may call it at once.
    """
    ground = _ground(corpus_folder)
    store = EventStore.open(events_folder)
    return describe_events(range_events(store, ground, *part), ground, settings)


def describe_partners(
    events_folder: Path,
    corpus_folder: Path,
    max_tokens: int,
    part: tuple[int, int],
) -> RangePartners:
    """The partners of the features [first, stop), over the first `max_tokens` tokens.

    Holds the range's events, and from call to call the features of all these tokens: 2 bytes an
    event. Several threads may call it at once.
    """
    ground = _ground(corpus_folder)
    store = EventStore.open(events_folder)
    first_tokens = _first_tokens(events_folder, corpus_folder, max_tokens)
    return range_partners(range_events(store, ground, *part), first_tokens, ground.context_size)


def events_of(job: Job, part: FeatureRange) -> tuple[RangeEvents, Ground]:
    """All events of a range, and the corpus they were counted over, kept from call to call."""
    ground = _ground(job.corpus_folder)
    store = EventStore.open(job.events_folder(part.sae))
    return range_events(store, ground, part.first, part.last), ground


def forget() -> None:
    """Lets go of what is kept from call to call: one process may run several jobs."""
    _ground.cache_clear()
    _first_tokens.cache_clear()
    _sample.cache_clear()


def _pieces(job: Job, kind: str, sae: str, events_at_once: int) -> list[Piece]:
    stage = stage_name(kind, sae)
    return [
        Piece((stage,), part.name, part.last - part.first, part)
        for part in feature_ranges(job, sae, events_at_once)
    ]


def feature_ranges(job: Job, sae: str, events_at_once: int) -> list[FeatureRange]:
    """The features of a dictionary in ranges of about equally many events."""
    store = EventStore.open(job.events_folder(sae))
    return [FeatureRange(sae, *cut) for cut in store.ranges(events_at_once)]


@lru_cache(maxsize=1)
def _ground(folder: Path) -> Ground:
    return Ground.of(Corpus.open(folder))


@lru_cache(maxsize=1)
def _first_tokens(events: Path, corpus: Path, max_tokens: int) -> FirstTokens:
    return FirstTokens.of(EventStore.open(events), Corpus.open(corpus), max_tokens)


@lru_cache(maxsize=1)
def _sample(events: Path, n_shards: int) -> HiddenPreSample:
    return HiddenPreSample.open(events, n_shards)
