"""Is a feature about a token or a region? Runs of firings, spans, and the lift over distance.

Takes one feature's events, its token table and the corpus. Knows neither activations' sizes nor
pre-activations (`flicker` does).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from app.stats.corpus import Corpus
from app.stats.events import FeatureEvents
from app.stats.lift import Lift, lift_curve
from app.stats.tokens import TokenTable

LONGEST_COUNTED_RUN = 8
MIN_SPAN_FIRINGS = 3


@dataclass(frozen=True)
class Runs:
    """Runs of firings on consecutive counted tokens of one context."""

    n_runs: int
    n_cut: int  # of them, begin at the context's first counted token or end at its last
    mean_length: float | None
    median_length: float | None
    share_single: float | None  # share of runs that are one token long
    length_counts: Int64[np.ndarray, " n_lengths"]  # lengths 1 … 7, then 8 and more


@dataclass(frozen=True)
class Locality:
    """The figures of one feature; None where nothing defines them."""

    runs: Runs
    firings_per_context: float | None  # over the contexts it fires in
    n_spans: int  # first to last firing in one document of one context, at least three firings
    span_fill: float | None  # firings / counted tokens, pooled over those spans, ends included
    lift: Lift


def locality(events: FeatureEvents, table: TokenTable, corpus: Corpus, seed: int = 0) -> Locality:
    """All of them; the seed draws the sample of the lift's null."""
    n_contexts = events.context_starts.size
    n_spans, fill = span_fill(events, corpus)
    return Locality(
        runs(events, corpus),
        events.n_active / n_contexts if n_contexts else None,
        n_spans,
        fill,
        lift_curve(events, table, corpus, seed=seed),
    )


def runs(events: FeatureEvents, corpus: Corpus) -> Runs:
    """Run lengths; a run ends at every silent or uncounted token and at the context's edge."""
    if events.n_active == 0:
        return Runs(0, 0, None, None, None, np.zeros(LONGEST_COUNTED_RUN, dtype=np.int64))
    places = events.places + events.context_id  # one apart: contexts are never adjacent
    breaks = np.flatnonzero(np.diff(places) != 1) + 1
    first = np.concatenate([[0], breaks])
    last = np.append(breaks, events.n_active) - 1
    length = last - first + 1
    context = events.context_id[first]
    cut = (events.position[first] == corpus.first_counted[context]) | (
        events.position[last] == corpus.last_counted[context]
    )
    by_length = np.bincount(length, minlength=LONGEST_COUNTED_RUN + 1).astype(np.int64)
    counts = np.append(by_length[1:LONGEST_COUNTED_RUN], by_length[LONGEST_COUNTED_RUN:].sum())
    return Runs(
        length.size,
        int(np.count_nonzero(cut)),
        events.n_active / length.size,
        _median(by_length),
        int(by_length[1]) / length.size,
        counts,
    )


def span_fill(events: FeatureEvents, corpus: Corpus) -> tuple[int, float | None]:
    """(number of spans, share of their counted tokens on which the feature fires)."""
    first, last, n_firings = spans(events, corpus)
    if first.size == 0:
        return 0, None
    n_gaps = np.searchsorted(corpus.gaps, last) - np.searchsorted(corpus.gaps, first)
    n_tokens = int((last - first + 1 - n_gaps).sum())
    return first.size, int(n_firings.sum()) / n_tokens


def spans(
    events: FeatureEvents, corpus: Corpus
) -> tuple[
    Int64[np.ndarray, " n_spans"], Int64[np.ndarray, " n_spans"], Int64[np.ndarray, " n_spans"]
]:
    """(first place, last place, firings) of every span, ascending."""
    places = events.places
    document = corpus.flat_document_ids[places]
    same = (events.context_id[1:] == events.context_id[:-1]) & (document[1:] == document[:-1])
    bounds = np.concatenate([[0], np.flatnonzero(~same) + 1, [events.n_active]])
    n_firings = np.diff(bounds)
    found = np.flatnonzero(n_firings >= MIN_SPAN_FIRINGS)
    return places[bounds[found]], places[bounds[found + 1] - 1], n_firings[found]


def _median(by_length: Int64[np.ndarray, " longest_plus_one"]) -> float:
    """Median of run lengths from how many runs have each length."""
    running = np.cumsum(by_length)
    n = int(running[-1])
    low, high = np.searchsorted(running, [(n - 1) // 2, n // 2], side="right")
    return float(low + high) / 2
