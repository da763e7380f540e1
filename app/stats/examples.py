"""Which places to show for a feature: top, interval and quantile examples.

Takes the feature's events and the corpus, gives places; `silent` gives those where it does not
fire. Draws go by the smallest seeded hashes, so they depend on neither batches nor order. Knows
neither windows of activations nor text.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32, Float64, Int8, Int32, Int64, Integer, UInt

from app.stats.arrays import smallest_keys
from app.stats.corpus import Corpus
from app.stats.events import FeatureEvents
from app.stats.histogram import cuts_at, equal_width_edges
from app.stats.permutation import PlaceHash

Group = Literal["top", "interval", "quantile", "silent"]


@dataclass(frozen=True)
class Bands:
    """Ranges of activation, weakest first. Interval: (low, high]. Quantile: [low, high]."""

    low: Float64[np.ndarray, " b"]
    high: Float64[np.ndarray, " b"]
    n_active: Int64[np.ndarray, " b"]  # active tokens in the band
    share: Float64[np.ndarray, " b"]  # n_active of the band / n_active of the feature


@dataclass(frozen=True)
class ExampleSet:
    """The examples of one group, in the order they are shown."""

    group: Group
    context_id: Int32[np.ndarray, " n"]
    position: Int32[np.ndarray, " n"]
    activation: Float32[np.ndarray, " n"]  # 0 for silent examples
    band: Int8[np.ndarray, " n"]  # index into bands, -1 where there are none
    repeats: Int32[np.ndarray, " n"]  # contexts this one example stands for, itself included
    bands: Bands
    n_candidates: int  # chosen from so many: contexts (top), firings, or silent occurrences


def top_examples(
    events: FeatureEvents, corpus: Corpus, n: int = 20, window_before: int = 47
) -> ExampleSet:
    """The strongest firing of each context, by (activation descending, context, position).

    Contexts whose tokens from the window's start up to the peak are identical are one example; its
    `repeats` counts them among all contexts ranked before the first one that is not shown (all
    contexts, where everything is shown).
    """
    n_candidates = events.context_starts.size
    k = 4 * (n + 1)
    while True:
        peaks = _first_per_context(events.context_id, events.strongest(k))
        first, member = _distinct_windows(events, corpus, peaks, window_before)
        if first.size > n or k >= events.n_active:
            break
        k *= 4
    ranked = member[: first[n]] if first.size > n else member
    repeats = np.bincount(ranked, minlength=first.size)[:n].astype(np.int32)
    shown = peaks[first[:n]]
    return example_set("top", events, shown, n_candidates=n_candidates, repeats=repeats)


def interval_examples(
    events: FeatureEvents, corpus: Corpus, n_bands: int = 5, per_band: int = 5, seed: int = 0
) -> ExampleSet:
    """From each of `n_bands` bands of equal width over (0, max], random firings, one per context.

    The strongest band comes first, within it the smallest hash. A band may be empty.
    """
    if events.n_active == 0:
        return example_set("interval", events, np.zeros(0, dtype=np.int64), n_candidates=0)
    edges = equal_width_edges(float(events.ordered_activation[-1]), n_bands)
    cuts = cuts_at(events, edges)
    return _drawn("interval", events, corpus, cuts, (edges[:-1], edges[1:]), per_band, seed)


def quantile_examples(
    events: FeatureEvents,
    corpus: Corpus,
    n_quantiles: int = 5,
    per_quantile: int = 5,
    seed: int = 0,
) -> ExampleSet:
    """From each of `n_quantiles` groups of equal count, random firings, one per context.

    Groups are cut in the order (activation, context, position); the weaker ones take the remainder,
    so sizes differ by at most one. With fewer firings than groups there are as many as firings.
    """
    n_groups = min(n_quantiles, events.n_active)
    if n_groups == 0:
        return example_set("quantile", events, np.zeros(0, dtype=np.int64), n_candidates=0)
    size, remainder = divmod(events.n_active, n_groups)
    group = np.arange(n_groups + 1, dtype=np.int64)
    cuts = group * size + np.minimum(group, remainder)
    ordered = events.ordered_activation.astype(np.float64)
    low, high = ordered[cuts[:-1]], ordered[cuts[1:] - 1]
    return _drawn("quantile", events, corpus, cuts, (low, high), per_quantile, seed)


def draw_one_per_context(
    hashes: UInt[np.ndarray, " n"], context_id: Integer[np.ndarray, " n"], k: int, n_hashes: int
) -> Int64[np.ndarray, " m"]:
    """Indices of the smallest hashes, at most `k`, one per context, ascending by hash.

    Hashes are distinct and spread over [0, n_hashes).
    """
    n_looked_at = 4 * k
    while True:
        chosen = _first_per_context(context_id, smallest_keys(hashes, n_looked_at, n_hashes))[:k]
        if chosen.size == k or n_looked_at >= hashes.size:
            return chosen
        n_looked_at *= 4


def example_set(
    group: Group,
    events: FeatureEvents,
    chosen: Int64[np.ndarray, " n"],
    *,
    n_candidates: int,
    repeats: Int32[np.ndarray, " n"] | None = None,
    band: Int8[np.ndarray, " n"] | None = None,
    bands: Bands | None = None,
) -> ExampleSet:
    """The events with the indices `chosen`, as a set of examples."""
    n = chosen.size
    return ExampleSet(
        group,
        events.context_id[chosen],
        events.position[chosen],
        events.activation[chosen],
        np.full(n, -1, dtype=np.int8) if band is None else band,
        np.ones(n, dtype=np.int32) if repeats is None else repeats,
        no_bands() if bands is None else bands,
        n_candidates,
    )


def no_bands() -> Bands:
    """What groups without bands carry."""
    return Bands(np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.int64), np.zeros(0))


def _drawn(
    group: Group,
    events: FeatureEvents,
    corpus: Corpus,
    cuts: Int64[np.ndarray, " n_cuts"],
    limits: tuple[Float64[np.ndarray, " b"], Float64[np.ndarray, " b"]],
    per_band: int,
    seed: int,
) -> ExampleSet:
    """Draw from each slice [cuts[b], cuts[b + 1]) of the events in ascending order."""
    low, high = limits
    hashing = PlaceHash(seed, events.feature_index, corpus.tokens.size)
    hashes = hashing.of(events.places)
    chosen: list[np.ndarray] = []
    for b in reversed(range(low.size)):
        members = events.ascending[cuts[b] : cuts[b + 1]]
        context_id = events.context_id[members]
        drawn = draw_one_per_context(hashes[members], context_id, per_band, hashing.n_hashes)
        chosen.append(members[drawn])
    sizes = [part.size for part in chosen]
    band = np.repeat(np.arange(low.size)[::-1], sizes).astype(np.int8)
    n_active = np.diff(cuts)
    bands = Bands(low, high, n_active, n_active / events.n_active)
    return example_set(
        group, events, np.concatenate(chosen), n_candidates=events.n_active, band=band, bands=bands
    )


def _first_per_context(
    context_id: Integer[np.ndarray, " n"], ranked: Int64[np.ndarray, " k"]
) -> Int64[np.ndarray, " m"]:
    """Of indices in ranked order, the first of each context, still in ranked order."""
    _, first = np.unique(context_id[ranked], return_index=True)
    return ranked[np.sort(first)]


def _distinct_windows(
    events: FeatureEvents, corpus: Corpus, peaks: Int64[np.ndarray, " k"], window_before: int
) -> tuple[Int64[np.ndarray, " d"], Int64[np.ndarray, " k"]]:
    """(rank of the first peak with each distinct left window, which of them each peak has)."""
    position = events.position[peaks].astype(np.int64)[:, None] + np.arange(-window_before, 1)
    inside = position >= 0
    context = events.context_id[peaks][:, None]
    tokens = corpus.tokens[context, np.maximum(position, 0)].astype(np.int64)
    rows = np.ascontiguousarray(np.where(inside, tokens, -1))  # -1: before the context's start
    keys = rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).reshape(-1)
    _, first, member = np.unique(keys, return_index=True, return_inverse=True)
    by_rank = np.argsort(first)
    rank = np.empty(by_rank.size, dtype=np.int64)
    rank[by_rank] = np.arange(by_rank.size)
    return first[by_rank], rank[member]
