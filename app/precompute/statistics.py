"""Stage 3: every statistic that events give, feature range by feature range, without the model.

Takes a dictionary's event shards and the corpus; gives one `RangeStatistics` a range: flat arrays
that can be pickled, 12 to 25 kB a feature. Ranges are independent of each other and of how they are
cut: a feature gets the same numbers in any. Knows no weights and no table; imports no torch.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from app.precompute.ranges.coactivation import FirstTokens, RangePartners, range_partners
from app.precompute.ranges.describe import RangeStatistics, describe_events
from app.precompute.ranges.events import Ground, range_events
from app.precompute.ranges.near_misses import RangeNearMisses, range_near_misses
from app.stats.corpus import Corpus
from app.stats.events import EventStore
from app.stats.feature import StatisticsSettings
from app.stats.hidden_pre import HiddenPreSample

EVENTS_AT_ONCE = 1_000_000
"""Events of one range: about 60 MB while it is described."""


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


def describe_near_misses(
    events_folder: Path,
    corpus_folder: Path,
    threshold: Float64[np.ndarray, " n_features"] | None,
    n: int,
    part: tuple[int, int],
) -> RangeNearMisses:
    """The near misses of the features [first, stop), at most `n` each.

    Holds the range's events, a block of the sample of `hidden_pre`, and from call to call the
    sample's places. Several threads may call it at once.
    """
    ground = _ground(corpus_folder)
    store = EventStore.open(events_folder)
    sample = _sample(events_folder, len(store.shards))
    events = range_events(store, ground, *part)
    return range_near_misses(events, ground, sample, threshold, n)


def forget() -> None:
    """Lets go of what is kept from call to call: one process may run several jobs."""
    _ground.cache_clear()
    _first_tokens.cache_clear()
    _sample.cache_clear()


@lru_cache(maxsize=1)
def _ground(folder: Path) -> Ground:
    return Ground.of(Corpus.open(folder))


@lru_cache(maxsize=1)
def _sample(events: Path, n_shards: int) -> HiddenPreSample:
    return HiddenPreSample.open(events, n_shards)


@lru_cache(maxsize=1)
def _first_tokens(events: Path, corpus: Path, max_tokens: int) -> FirstTokens:
    return FirstTokens.of(EventStore.open(events), Corpus.open(corpus), max_tokens)
