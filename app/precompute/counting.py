"""The stages that only count: what one piece of "statistics" and of "co-activation" is.

Tasks for a driver (see `driver.py`): they take a job and a range of features, read event shards and
contexts from shared storage, and give arrays. Import no torch, so that processes that do nothing
else start fast and stay small.
"""

from dataclasses import dataclass

from app.precompute import statistics
from app.precompute.drivers.driver import Piece, Task
from app.precompute.job import Job
from app.precompute.ranges.coactivation import RangePartners
from app.precompute.ranges.describe import RangeStatistics
from app.precompute.workplace.stage_recipes import stage_name
from app.stats.events import EventStore
from app.stats.feature import StatisticsSettings


@dataclass(frozen=True)
class FeatureRange:
    """Features [first, last) of a dictionary."""

    sae: str
    first: int
    last: int


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


def count_range(job: Job, matter: FeatureRange) -> RangeStatistics:
    """Stage 3: every statistic that events give."""
    return statistics.describe_range(
        job.events_folder(matter.sae),
        job.corpus_folder,
        StatisticsSettings.told(vars(job.settings)),
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


STATISTICS = Task(count_range, "events")
CO_ACTIVATION = Task(count_partners, "events")


def statistics_pieces(job: Job, sae: str) -> list[Piece]:
    """The pieces of stage 3 of one dictionary."""
    return range_pieces(job, "statistics", sae, statistics.EVENTS_AT_ONCE)


def partner_pieces(job: Job, sae: str) -> list[Piece]:
    """The pieces of co-activation of one dictionary; none where none is asked for."""
    if not job.settings.coactivation_tokens:
        return []
    return range_pieces(job, "co-activation", sae, 4 * statistics.EVENTS_AT_ONCE)


def forget() -> None:
    """Lets go of what is kept between pieces: one process may run several jobs."""
    statistics.forget()
