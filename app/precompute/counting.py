"""The stages that only count: a piece of "statistics", of "co-activation", of "near misses".

Tasks for a driver (see `driver.py`): they take a job and a range of features, read event shards and
contexts from shared storage, and give arrays. Import no torch, so that processes that do nothing
else start fast and stay small.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from app.precompute import statistics
from app.precompute.drivers.driver import Piece, Task
from app.precompute.job import Job
from app.precompute.ranges.coactivation import RangePartners
from app.precompute.ranges.describe import RangeStatistics
from app.precompute.ranges.near_misses import RangeNearMisses
from app.precompute.workplace.stage_recipes import NEAR, stage_name
from app.stats.events import EventStore
from app.stats.feature import StatisticsSettings


@dataclass(frozen=True)
class FeatureRange:
    """Features [first, last) of a dictionary."""

    sae: str
    first: int
    last: int
    threshold: Float64[np.ndarray, " n_features"] | None = None
    """of these features, where they have one of their own and it is asked for"""


def range_pieces(job: Job, kind: str, sae: str, events_at_once: int) -> list[Piece]:
    """The features of a dictionary in ranges of about equally many events."""
    store = EventStore.open(job.events_folder(sae))
    return [
        Piece(
            (stage_name(kind, sae),),
            f"{first:08d}-{last:08d}",
            last - first,
            FeatureRange(sae, first, last),
        )
        for first, last in store.ranges(events_at_once)
    ]


def statistics_settings(job: Job) -> StatisticsSettings:
    """How much is kept of each feature."""
    settings = job.settings
    return StatisticsSettings(
        n_top=settings.top_examples,
        per_band=settings.interval_examples,
        per_quantile=settings.quantile_examples,
        n_silent=settings.silent_examples,
        seed=settings.seed,
    )


def count_range(job: Job, matter: FeatureRange) -> RangeStatistics:
    """Stage 3: every statistic that events give."""
    return statistics.describe_range(
        job.events_folder(matter.sae),
        job.corpus_folder,
        statistics_settings(job),
        (matter.first, matter.last),
    )


def count_partners(job: Job, matter: FeatureRange) -> RangePartners:
    """Co-activation: the features that fire on the same tokens."""
    return statistics.describe_partners(
        job.events_folder(matter.sae),
        job.corpus_folder,
        job.settings.coactivation_tokens,
        (matter.first, matter.last),
    )


def count_near_misses(job: Job, matter: FeatureRange) -> RangeNearMisses:
    """Where the features nearly fired, in the sample of `hidden_pre`."""
    return statistics.describe_near_misses(
        job.events_folder(matter.sae),
        job.corpus_folder,
        matter.threshold,
        job.settings.near_misses,
        (matter.first, matter.last),
    )


STATISTICS = Task(count_range, "events")
CO_ACTIVATION = Task(count_partners, "events")
NEAR_MISSES = Task(count_near_misses, "events")


def statistics_pieces(job: Job, sae: str) -> list[Piece]:
    """The pieces of stage 3 of one dictionary."""
    return range_pieces(job, "statistics", sae, statistics.EVENTS_AT_ONCE)


def partner_pieces(job: Job, sae: str) -> list[Piece]:
    """The pieces of co-activation of one dictionary; none where none is asked for."""
    if not job.settings.coactivation_tokens:
        return []
    return range_pieces(job, "co-activation", sae, 4 * statistics.EVENTS_AT_ONCE)


def near_miss_pieces(
    job: Job, sae: str, threshold: Float64[np.ndarray, " d_sae"] | None
) -> list[Piece]:
    """The pieces of near misses and flicker of one dictionary, cut as its statistics are; none
    where no `hidden_pre` was kept. `threshold`: of its features, where they have one."""
    if not job.settings.hidden_pre_contexts:
        return []
    pieces = range_pieces(job, NEAR, sae, statistics.EVENTS_AT_ONCE)
    if threshold is None:
        return pieces
    return [
        replace(piece, matter=replace(own, threshold=threshold[own.first : own.last]))
        for piece in pieces
        for own in [piece.matter]
    ]


def forget() -> None:
    """Lets go of what is kept between pieces: one process may run several jobs."""
    statistics.forget()
