"""The numbers of some features counted again from their events, by the definition of each.

`app.stats.feature.describe_feature` is that definition. Counts, places and activations have to be
equal; other numbers, of which the file keeps 16 significant bits, within `TOLERANCE`. Takes a
dictionary with its events, gives contradictions as sentences.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Int64
from sqlalchemy import Connection

from app.check.subject import Subject
from app.db.examples import get_groups
from app.db.features import get_feature, get_panels
from app.db.records import ExampleGroup, FeaturePanels, FeatureRecord
from app.stats.corpus import Corpus
from app.stats.events import FeatureEvents
from app.stats.feature import ExampleGroup as CountedGroup
from app.stats.feature import FeatureStatistics, StatisticsSettings, describe_feature
from app.stats.flicker import Flicker, flicker
from app.stats.hidden_pre import HiddenPreSample
from app.stats.silent import near_misses

TOLERANCE = 2e-5


Seen = tuple[FeatureEvents, Float32[np.ndarray, " n"], Int64[np.ndarray, " n"], Corpus]
"""A feature's events, its column of the sample of `hidden_pre`, the sample's places, the corpus."""


class Pair(NamedTuple):
    """What is compared."""

    name: str
    stored: Any
    counted: Any
    exact: bool = False
    """whether the file keeps every bit of a real number"""


def recount_problems(connection: Connection, subject: Subject) -> Iterator[str]:
    """Everything that differs.

    Raises:
        KeyError: the recipe doesn't name a setting that decides what was kept.
    """
    beside = subject.beside
    assert beside is not None
    recipe = subject.sae.record.recipe
    settings = StatisticsSettings.told(recipe)
    sample = None
    if subject.sae.record.hidden_pre_sample.get("n_contexts"):
        sample = HiddenPreSample.open(beside.store.folder, len(beside.store.shards))
    for index in subject.sample.tolist():
        (events,) = beside.store.features(index, index + 1)
        counted = describe_feature(events, beside.corpus, settings)
        record = get_feature(connection, subject.sae.sae_id, index)
        if record is None:
            continue  # said by the check of rows
        panels = get_panels(connection, subject.sae.sae_id, index)
        stored = get_groups(connection, subject.sae.sae_id, index)
        groups = {group: examples for group, (examples, _) in stored.items()}
        where = f"{subject.sae.address} feature {index}"
        pairs = _pairs(record, panels, groups, counted)
        if sample is not None:
            hidden_pre = sample.features(index, index + 1)[0]
            seen = events, hidden_pre, sample.places, beside.corpus
            pairs = chain(pairs, _missed_pairs(record, panels, groups, seen, recipe["near_misses"]))
        for pair in pairs:
            if not _same(pair):
                found, expected = _shown(pair.stored), _shown(pair.counted)
                yield f"{where}: {pair.name} is {found}, its events give {expected}."


def _pairs(
    record: FeatureRecord,
    panels: FeaturePanels,
    groups: dict[Any, ExampleGroup],
    counted: FeatureStatistics,
) -> Iterator[Pair]:
    statistics, locality = counted.statistics, counted.locality
    for name in (
        *("n_active", "density", "n_contexts_active", "max_activation", "mean_activation"),
        *("std_activation", "skewness", "kurtosis"),
    ):
        yield Pair(name, getattr(record, name), getattr(statistics, name))
    yield Pair("run_length", record.run_length, locality.runs.mean_length)
    yield Pair("span_fill", record.span_fill, locality.span_fill)
    if panels.histogram is not None:
        yield Pair("the histogram", panels.histogram.counts, counted.histogram.counts)
    yield from _token_pairs(panels, counted)
    yield from _place_pairs(panels, counted)
    for found in counted.groups:
        name = found.examples.group
        if name in groups:
            yield from _example_pairs(name, groups[name], found)
        else:
            yield Pair(f"the number of {name} examples", 0, found.examples.position.size)


def _token_pairs(panels: FeaturePanels, counted: FeatureStatistics) -> Iterator[Pair]:
    stored, tokens = panels.tokens, counted.tokens
    if stored is None:
        return
    for name in ("token_id", "n_active", "n_occurrences", "share", "mean", "max"):
        yield Pair(f"{name} of its tokens", getattr(stored, name), getattr(tokens, name))
    yield Pair("the number of its tokens", stored.n_token_ids, tokens.n_tokens)
    yield Pair("firings on other tokens", stored.left_out_n_active, tokens.n_active_left_out)


def _place_pairs(panels: FeaturePanels, counted: FeatureStatistics) -> Iterator[Pair]:
    places, positions, documents = panels.places, counted.positions, counted.documents
    if places is not None:
        yield Pair("firings by position", places.position_n_active, positions.n_active)
        yield Pair("tokens by position", places.position_n_tokens, positions.n_tokens)
        yield Pair("its documents", places.document_id, documents.document_ids)
        yield Pair("firings by document", places.document_n_active, documents.n_active)
        yield Pair("tokens by document", places.document_n_tokens, documents.n_tokens)
        yield Pair("the number of its documents", places.n_documents_active, documents.n_documents)
    stored, found = panels.locality, counted.locality
    if stored is not None:
        yield Pair("runs by length", stored.run_length_counts, found.runs.length_counts)
        yield Pair("n_runs", stored.n_runs, found.runs.n_runs)
        yield Pair("runs cut", stored.n_cut_runs, found.runs.n_cut)
        yield Pair("the median run", stored.run_length_median, found.runs.median_length)
        yield Pair("lift", stored.lift, _numbers(found.lift.lift))
        yield Pair("lift by chance", stored.lift_null, _numbers(found.lift.null))
        yield Pair("spans", stored.n_spans, found.n_spans)


def _example_pairs(name: str, stored: ExampleGroup, counted: CountedGroup) -> Iterator[Pair]:
    examples, bands = counted.examples, counted.examples.bands
    for title, found, expected in (
        ("context_id", stored.context_id, examples.context_id),
        ("position", stored.position, examples.position),
        ("activation", stored.activation, examples.activation),
        ("band", stored.band, examples.band),
        ("repeats", stored.repeats, examples.repeats),
        ("candidates", stored.n_candidates, examples.n_candidates),
        ("window_start", stored.window_start, counted.windows.start),
        ("window_stop", stored.window_stop, counted.windows.stop),
        ("firing_position", stored.firing_position, counted.activations.position),
        ("firing_activation", stored.firing_activation, counted.activations.activation),
        ("band_low", stored.band_low, bands.low.astype(np.float32)),
        ("band_high", stored.band_high, bands.high.astype(np.float32)),
        ("band_n_active", stored.band_n_active, bands.n_active),
    ):
        yield Pair(f"{title} of {name} examples", found, expected, exact=True)


def _missed_pairs(
    record: FeatureRecord,
    panels: FeaturePanels,
    groups: dict[Any, ExampleGroup],
    seen: Seen,
    n: int,
) -> Iterator[Pair]:
    """What follows from the sample of `hidden_pre`."""
    events, hidden_pre, places, corpus = seen
    counted = near_misses(hidden_pre, places, events, corpus, n)
    if "near" in groups:
        stored = groups["near"]
        for name in ("context_id", "position", "hidden_pre", "n_candidates"):
            yield Pair(f"{name} of near misses", getattr(stored, name), getattr(counted, name))
    else:
        yield Pair("the number of near misses", 0, counted.position.size)
    found = flicker(hidden_pre, places, record.threshold, events, corpus) or Flicker(0, 0, 0)
    if panels.locality is not None:
        for name, stored, expected in (
            ("spans in the sample", panels.locality.n_sample_spans, found.n_spans),
            ("silent tokens in spans", panels.locality.n_span_silent, found.n_silent),
            ("silent tokens near to firing", panels.locality.n_span_near, found.n_near),
        ):
            yield Pair(name, stored, expected)


def _same(pair: Pair) -> bool:
    a, b = _numbers(pair.stored), _numbers(pair.counted)
    if a.shape != b.shape:
        return False
    whole = all(np.asarray(value).dtype.kind in "iu" for value in (pair.stored, pair.counted))
    if whole or pair.exact:
        return np.array_equal(a, b)
    return bool(np.allclose(a, b, rtol=TOLERANCE, atol=1e-9, equal_nan=True))


def _numbers(value: Any) -> np.ndarray:
    """Numbers or arrays of them in float64; nothing is not-a-number."""
    return np.asarray(value, np.float64)  # None becomes NaN


def _shown(value: Any) -> str:
    numbers = _numbers(value).reshape(-1)
    listed = ", ".join(f"{number:.6g}" for number in numbers[:4])
    return f"{listed} …" if numbers.size > 4 else listed or "nothing"
