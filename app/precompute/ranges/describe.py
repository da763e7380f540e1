"""Everything events say about a range of features, in one call and a few flat arrays.

The counterpart of `app.stats.feature` for many features at once. Knows no file and no table.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64

from app.precompute.ranges.events import Ground, RangeEvents
from app.precompute.ranges.examples import RangeExamples, drawn_examples, silent_examples
from app.precompute.ranges.lift import RangeLift, range_lift
from app.precompute.ranges.moments import RangeMoments, range_moments
from app.precompute.ranges.places import RangePlaces, range_places
from app.precompute.ranges.rankings import RankedPairs, range_pairs
from app.precompute.ranges.silent import range_silent
from app.precompute.ranges.strength import range_strength
from app.precompute.ranges.tokens import RangeTokens, range_tokens
from app.stats.arrays import offsets, ragged_ranges
from app.stats.feature import StatisticsSettings
from app.stats.hashing import mix
from app.stats.permutation import PlaceHash
from app.stats.windows import windows


@dataclass(frozen=True)
class KeptTokens:
    """Each feature's strongest tokens: rows [indptr[i], indptr[i + 1]), by (mass falling, id)."""

    indptr: Int64[np.ndarray, " n_features_plus_one"]
    token_id: Int32[np.ndarray, " n"]
    n_active: Int32[np.ndarray, " n"]
    n_occurrences: Int64[np.ndarray, " n"]
    share: Float64[np.ndarray, " n"]
    mean: Float64[np.ndarray, " n"]
    max: Float32[np.ndarray, " n"]
    n_tokens: Int64[np.ndarray, " n_features"]  # distinct ids, shown or not
    n_active_left_out: Int64[np.ndarray, " n_features"]
    share_left_out: Float64[np.ndarray, " n_features"]


@dataclass(frozen=True)
class RangeStatistics:
    """All of it, of the features first, first + 1 …; as long as examples, not as events."""

    first: int
    n_tokens: int  # counted tokens of the corpus, N
    counted_per_position: Int64[np.ndarray, " context_size"]
    window_before: int
    window_after: int
    n_active: Int64[np.ndarray, " n_features"]
    moments: RangeMoments
    histogram: Int64[np.ndarray, "n_features n_bins"]
    places: RangePlaces
    top: RangeExamples
    interval: RangeExamples
    quantile: RangeExamples
    silent: RangeExamples
    tokens: KeptTokens
    lift: RangeLift
    pairs: RankedPairs
    """what the range contributes to the rankings by token"""
    document_n_tokens: Int64[np.ndarray, "n_features n_documents"]
    """counted tokens of the documents in `places`"""

    @property
    def n_features(self) -> int:
        return self.n_active.size

    def windows(
        self, position: Int32[np.ndarray, " n"]
    ) -> tuple[Int32[np.ndarray, " n"], Int32[np.ndarray, " n"]]:
        """(start, stop) of the tokens shown around peaks."""
        size = self.counted_per_position.size
        found = windows(position, size, self.window_before, self.window_after)
        return found.start, found.stop


def describe_events(
    events: RangeEvents,
    ground: Ground,
    settings: StatisticsSettings,
) -> RangeStatistics:
    """Every statistic of every feature of the range, dead ones too."""
    hashing = PlaceHash(settings.seed, 0, ground.n_places)
    draws = {"mixed_seed": mix(settings.seed), "n_bits": hashing.n_bits}
    tokens = range_tokens(events, ground, settings.n_tokens)
    places = range_places(events, ground, settings.n_documents)
    strength = range_strength(
        events, ground,
        n_bins=settings.n_bins, n_top=settings.n_top, window_before=settings.window_before,
        n_bands=settings.n_bands, per_band=settings.per_band,
        n_quantiles=settings.n_quantiles, per_quantile=settings.per_quantile, **draws,
    )  # fmt: skip
    silent, n_silent = range_silent(events, tokens, ground, settings.n_silent, **draws)
    return RangeStatistics(
        events.first,
        ground.n_tokens,
        ground.counted_per_position,
        settings.window_before,
        settings.window_after,
        events.n_active,
        range_moments(events),
        strength.histogram,
        places,
        drawn_examples(events, strength.top, places.n_contexts),
        drawn_examples(events, strength.interval, events.n_active),
        drawn_examples(events, strength.quantile, events.n_active),
        silent_examples(events, silent, n_silent, ground.context_size),
        _kept(tokens, ground, settings.n_tokens),
        range_lift(events, tokens, ground, **draws),
        range_pairs(tokens, events.first, ground.occurrences, settings.n_ranked),
        np.where(places.document_id >= 0, ground.tokens_per_document[places.document_id], 0),
    )


def _kept(tokens: RangeTokens, ground: Ground, n_kept: int) -> KeptTokens:
    n_tokens = np.diff(tokens.indptr)
    sizes = np.minimum(n_tokens, n_kept)
    starts = tokens.indptr[:-1]
    rows = np.repeat(starts, sizes) + tokens.by_mass[ragged_ranges(starts, sizes)]
    token_id, n_active, mass = tokens.token_id[rows], tokens.n_active[rows], tokens.mass[rows]
    return KeptTokens(
        offsets(sizes),
        token_id,
        n_active,
        ground.occurrences[token_id],
        mass / np.repeat(tokens.total, sizes),
        mass / n_active,
        tokens.max[rows],
        n_tokens,
        tokens.n_active_left_out,
        tokens.share_left_out,
    )
