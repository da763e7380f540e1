"""Does a region hold together? How often a feature switches inside spans, and after smoothing.

Takes one feature's events. A *span* is that of `locality`: first to last firing inside one document
of one context, at least three firings. A feature that means something true of a whole region, yet
falls silent now and then inside it, switches less once its activation is averaged over a few
tokens; one that fires here and there does so no less than its firings in random order would.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from app.stats.corpus import Corpus
from app.stats.events import FeatureEvents
from app.stats.hashing import place_hashes
from app.stats.locality import spans

REACH = 2
"""Tokens on either side that are averaged in, as far as the span goes"""
FIRING_SHARE = 0.5
"""Smoothed, a token counts as firing from this share of the span's mean active value on"""

ROUNDING = 1e-9
"""What lies below that bound by no more than this share of it is taken to lie on it"""


@dataclass(frozen=True)
class Smoothing:
    """Counts over the spans looked at; all are 0 where there is no span."""

    n_spans: int
    n_tokens: int  # counted tokens inside them, ends included
    n_switches: int  # neighbouring tokens of which one fires and one is silent
    n_smoothed: int  # such neighbours once activations are smoothed
    n_shuffled_switches: int  # as n_switches, after the activations between the ends of each span
    # were put in random order
    n_shuffled_smoothed: int  # as n_smoothed, of these

    @property
    def gone(self) -> float | None:
        """Share of the switches that smoothing takes away; None where nothing switches."""
        return 1 - self.n_smoothed / self.n_switches if self.n_switches else None

    @property
    def gone_by_chance(self) -> float | None:
        """The same of the activations in random order."""
        if not self.n_shuffled_switches:
            return None
        return 1 - self.n_shuffled_smoothed / self.n_shuffled_switches


def smoothing(events: FeatureEvents, corpus: Corpus, most_spans: int, seed: int = 0) -> Smoothing:
    """The switches of one feature.

    Args:
        most_spans: of more, those whose first tokens have the smallest seeded hashes.
        seed: draws these spans and the order of shuffled tokens.
    """
    first, last, _ = spans(events, corpus)
    if first.size > most_spans:
        hashes = place_hashes(seed, events.feature_index, *np.divmod(first, corpus.context_size))
        chosen = np.sort(np.argsort(hashes, kind="stable")[:most_spans])
        first, last = first[chosen], last[chosen]
    if not first.size:
        return Smoothing(0, 0, 0, 0, 0, 0)
    activation, span, place = _tokens_inside(events, corpus, first, last)
    starts = np.flatnonzero(np.diff(span, prepend=-1))
    stops = np.append(starts[1:], span.size)
    n_firings = np.add.reduceat((activation > 0).astype(np.int64), starts)
    bound = FIRING_SHARE * (np.add.reduceat(activation, starts) / n_firings)[span]
    shuffled = activation[_shuffled(span, place, starts, stops, events.feature_index, seed, corpus)]
    found = [
        _switches(on, span)
        for values in (activation, shuffled)
        for on in (values > 0, _smoothed(values, starts, stops, span) >= bound * (1 - ROUNDING))
    ]
    return Smoothing(first.size, span.size, *found)


def _tokens_inside(
    events: FeatureEvents,
    corpus: Corpus,
    first: Int64[np.ndarray, " n_spans"],
    last: Int64[np.ndarray, " n_spans"],
) -> tuple[Float64[np.ndarray, " n"], Int64[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
    """(activation, number of the span, place) of every counted token of the spans, in order."""
    length = last - first + 1
    span = np.repeat(np.arange(first.size), length)
    place = np.arange(span.size) - np.repeat(np.cumsum(length) - length, length) + first[span]
    counted = corpus.flat_counted[place]
    span, place = span[counted], place[counted]
    row = np.searchsorted(events.places, place)
    found = events.places[np.minimum(row, events.n_active - 1)] == place
    activation = np.zeros(place.size)
    activation[found] = events.activation[row[found]]
    return activation, span, place


def _smoothed(
    activation: Float64[np.ndarray, " n"],
    starts: Int64[np.ndarray, " n_spans"],
    stops: Int64[np.ndarray, " n_spans"],
    span: Int64[np.ndarray, " n"],
) -> Float64[np.ndarray, " n"]:
    """The mean of each token and its neighbours inside the span."""
    at = np.arange(activation.size)
    total, n = np.zeros(activation.size), np.zeros(activation.size)
    for step in range(-REACH, REACH + 1):
        inside = (at + step >= starts[span]) & (at + step < stops[span])
        total[inside] += activation[at[inside] + step]
        n += inside
    return total / n


def _shuffled(
    span: Int64[np.ndarray, " n"],
    place: Int64[np.ndarray, " n"],
    starts: Int64[np.ndarray, " n_spans"],
    stops: Int64[np.ndarray, " n_spans"],
    feature_index: int,
    seed: int,
    corpus: Corpus,
) -> Int64[np.ndarray, " n"]:
    """Rows in random order between the ends of each span, which stay."""
    hashes = place_hashes(seed + 1, feature_index, *np.divmod(place, corpus.context_size))
    # Ends come first and last of their span, whatever their hash.
    rank = np.ones(span.size, np.int8)
    rank[starts] = 0
    rank[stops - 1] = 2
    return np.lexsort((hashes, rank, span))


def _switches(on: Bool[np.ndarray, " n"], span: Int64[np.ndarray, " n"]) -> int:
    """Neighbours inside a span of which one is on and one is off."""
    return int(np.count_nonzero((on[1:] != on[:-1]) & (span[1:] == span[:-1])))
