"""Stage 3: every statistic that events give, feature range by feature range, without the model.

Takes a dictionary's event shards and the corpus; gives one `FeatureStatistics` a feature, in order.
Ranges are independent: with several workers they are computed in processes of their own, which
changes nothing in the result. Knows no weights and no table.
"""

import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path

from app.stats.corpus import Corpus
from app.stats.events import EventStore
from app.stats.feature import FeatureStatistics, StatisticsSettings, describe_feature

EVENTS_AT_ONCE = 2_000_000
"""Events of one range: about 24 MB in a worker."""


def describe_features(
    events_folder: Path,
    corpus_folder: Path,
    settings: StatisticsSettings,
    workers: int = 1,
) -> Iterator[FeatureStatistics]:
    """The statistics of every feature of a dictionary, in feature order.

    Holds the results of at most two ranges for every worker.
    """
    store = EventStore.open(events_folder)
    ranges = list(store.ranges(EVENTS_AT_ONCE))
    workers = min(workers, len(ranges))
    if workers == 1:
        corpus = Corpus.open(corpus_folder)
        for part in ranges:
            yield from (
                describe_feature(events, corpus, settings) for events in store.features(*part)
            )
        return
    # Spawned, not forked: the parent has torch's threads, which do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent) as pool:
        waiting: list[Future[list[FeatureStatistics]]] = []
        for part in ranges:
            waiting.append(
                pool.submit(_describe_range, events_folder, corpus_folder, settings, part)
            )
            if len(waiting) == 2 * workers:
                yield from waiting.pop(0).result()
        for future in waiting:
            yield from future.result()


def _end_with_parent() -> None:
    """A killed job leaves no workers waiting for work that never comes."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _describe_range(
    events_folder: Path,
    corpus_folder: Path,
    settings: StatisticsSettings,
    part: tuple[int, int],
) -> list[FeatureStatistics]:
    corpus = _workers_corpus(corpus_folder)
    store = EventStore.open(events_folder)
    return [describe_feature(events, corpus, settings) for events in store.features(*part)]


@lru_cache(maxsize=1)
def _workers_corpus(folder: Path) -> Corpus:
    # A worker lives for one corpus, whose index from tokens to places is worth keeping.
    return Corpus.open(folder)
