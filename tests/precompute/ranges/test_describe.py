"""A range of features at once gives, bit for bit, what `app.stats` gives feature by feature.

`app.stats` is held to brute force by its own tests. Corpora are small and random, with separators,
padding and documents in any order; activations tie, are constant, or lie on edges of bins; some
features are dead and some fire everywhere.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.precompute.ranges.describe import RangeStatistics, describe_events
from app.precompute.ranges.events import Ground, range_events
from app.precompute.ranges.examples import RangeExamples
from app.stats.corpus import Corpus
from app.stats.event_writer import write_manifest, write_shard
from app.stats.events import EventStore
from app.stats.feature import (
    ExampleGroup,
    FeatureStatistics,
    StatisticsSettings,
    describe_feature,
)

D_SAE = 7


@dataclass(frozen=True)
class Small:
    """A corpus, events in shards, and what was asked for."""

    corpus: Corpus
    store: EventStore
    settings: StatisticsSettings

    def one_by_one(self) -> list[FeatureStatistics]:
        return [
            describe_feature(events, self.corpus, self.settings)
            for events in self.store.features(0, D_SAE)
        ]

    def range(self, first: int = 0, stop: int = D_SAE) -> RangeStatistics:
        ground = Ground.of(self.corpus)
        return describe_events(range_events(self.store, ground, first, stop), ground, self.settings)


def random_corpus(rng: np.random.Generator, data: st.DataObject) -> Corpus:
    shape = (data.draw(st.integers(1, 12)), data.draw(st.sampled_from([2, 3, 9, 70, 150])))
    d_vocab = data.draw(st.sampled_from([2, 5, 40]))
    tokens = rng.integers(0, d_vocab, shape).astype(data.draw(st.sampled_from(["u2", "u4"])))
    counted = np.ones(shape, np.bool_)
    counted[:, 0] = False
    masks = data.draw(st.sampled_from(["none", "separators", "padding"]))
    if masks == "separators":
        counted &= tokens != 0
    if masks == "padding":
        counted &= np.arange(shape[1]) < rng.integers(0, shape[1] + 1, shape[0])[:, None]
    n_documents = data.draw(st.integers(1, 30))
    documents = np.cumsum(rng.random(shape) < 0.15).reshape(shape) % n_documents
    if data.draw(st.booleans()):
        documents = rng.permutation(n_documents)[documents]  # not ascending
    documents[rng.random(shape) < 0.05] = -1
    names = [f"document {i}" for i in range(n_documents)]
    return Corpus(tokens, counted, documents.astype(np.int32), d_vocab, names)


def random_activations(rng: np.random.Generator, corpus: Corpus, data: st.DataObject) -> np.ndarray:
    """[n_features, n_contexts, context_size], features of every kind."""
    shape = (D_SAE, *corpus.tokens.shape)
    density = rng.choice([0, 0.02, 0.1, 0.3, 0.9, 1], D_SAE)[:, None, None]
    fires = (rng.random(shape) < density) & corpus.counted
    fires[rng.random(D_SAE) < 0.3] &= corpus.tokens % 3 == 1  # tied to tokens
    values = {
        "on edges": rng.integers(1, 51, shape),
        "tenths": rng.integers(1, 11, shape) / 10,
        "constant": np.full(shape, 0.7),
        "gamma": rng.gamma(2.0, size=shape) + 0.01,
    }[data.draw(st.sampled_from(["on edges", "tenths", "constant", "gamma"]))]
    return np.where(fires, values, 0).astype(np.float32)


def shards_of(folder: Path, dense: np.ndarray, per_shard: int) -> EventStore:
    _, n_contexts, context_size = dense.shape
    write_manifest(
        folder, d_sae=D_SAE, context_size=context_size,
        contexts_per_shard=per_shard, n_contexts=n_contexts,
    )  # fmt: skip
    for index, first in enumerate(range(0, n_contexts, per_shard)):
        part = dense[:, first : first + per_shard].reshape(D_SAE, -1)
        feature, token = np.nonzero(part)
        write_shard(folder, index, feature, token, part[feature, token], D_SAE)
    return EventStore.open(folder)


def random_settings(data: st.DataObject) -> StatisticsSettings:
    few = st.integers(1, 6)
    return StatisticsSettings(
        n_top=data.draw(few),
        n_bands=data.draw(few),
        per_band=data.draw(few),
        n_quantiles=data.draw(few),
        per_quantile=data.draw(few),
        n_silent=data.draw(st.integers(0, 8)),
        window_before=data.draw(st.sampled_from([0, 2, 47])),
        n_tokens=data.draw(st.sampled_from([1, 3, 64])),
        n_bins=data.draw(st.sampled_from([1, 7, 50])),
        n_documents=data.draw(few),
        n_ranked=data.draw(st.sampled_from([1, 3, 100])),
        seed=data.draw(st.integers(0, 3)),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), seed=st.integers(0, 2**32 - 1), per_shard=st.integers(1, 12))
def test_equal_to_one_by_one(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, seed: int, per_shard: int
) -> None:
    rng = np.random.default_rng(seed)
    corpus = random_corpus(rng, data)
    store = shards_of(
        tmp_path_factory.mktemp("events"), random_activations(rng, corpus, data), per_shard
    )
    small = Small(corpus, store, random_settings(data))
    cut = data.draw(st.integers(0, D_SAE))
    parts = [small.range(0, cut), small.range(cut, D_SAE)]
    expected = small.one_by_one()
    for part in parts:
        for row in range(part.n_features):
            check_feature(part, row, expected[part.first + row])


def test_dense_features_of_many_firings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """More firings than the null samples, pairs counted as bits, lists of places from the index."""
    rng = np.random.default_rng(1)
    tokens = rng.integers(0, 50, (60, 200)).astype(np.uint16)
    counted = (np.arange(200) > 0) & (tokens != 7)
    corpus = Corpus(tokens, counted, np.zeros(tokens.shape, np.int32), 50, ["all"])
    density = np.array([0.001, 0.02, 0.2, 0.3, 0.5, 0.9, 1])[:, None, None]
    fires = (rng.random((D_SAE, 60, 200)) < density) & corpus.counted
    dense = np.where(fires, rng.gamma(2.0, size=fires.shape) + 0.01, 0).astype(np.float32)
    small = Small(
        corpus, shards_of(tmp_path_factory.mktemp("many"), dense, 16), StatisticsSettings()
    )
    part, expected = small.range(), small.one_by_one()
    assert expected[-1].locality.lift.n_null_sample == 2048
    for row in range(D_SAE):
        check_feature(part, row, expected[row])


def check_feature(found: RangeStatistics, row: int, expected: FeatureStatistics) -> None:
    statistics = expected.statistics
    assert found.n_tokens == statistics.n_tokens
    assert found.n_active[row] == statistics.n_active
    assert found.places.n_contexts[row] == statistics.n_contexts_active
    for name in ("max", "mean", "std"):
        assert same(getattr(found.moments, name)[row], getattr(statistics, f"{name}_activation"))
    assert same(found.moments.skewness[row], statistics.skewness)
    assert same(found.moments.kurtosis[row], statistics.kurtosis)
    if statistics.n_active:
        assert found.histogram[row].tolist() == expected.histogram.counts.tolist()
    check_places(found, row, expected)
    check_tokens(found, row, expected)
    for group in expected.groups:
        check_group(found, row, group)


def same(found: float, expected: float | None) -> bool:
    """Equal to the last bit; NaN stands for None."""
    return np.isnan(found) if expected is None else float(found) == expected


def check_places(found: RangeStatistics, row: int, expected: FeatureStatistics) -> None:
    places, documents, runs = found.places, expected.documents, expected.locality.runs
    assert places.position_n_active[row].tolist() == expected.positions.n_active.tolist()
    n = documents.document_ids.size
    assert places.document_id[row, :n].tolist() == documents.document_ids.tolist()
    assert places.document_n_active[row, :n].tolist() == documents.n_active.tolist()
    assert (places.document_id[row, n:] == -1).all()
    assert found.document_n_tokens[row, :n].tolist() == documents.n_tokens.tolist()
    assert not found.document_n_tokens[row, n:].any()
    assert found.counted_per_position.tolist() == expected.positions.n_tokens.tolist()
    assert places.n_documents[row] == documents.n_documents
    assert places.n_runs[row] == runs.n_runs
    assert places.n_cut[row] == runs.n_cut
    assert same(places.median_length[row], runs.median_length)
    assert places.length_counts[row].tolist() == runs.length_counts.tolist()
    assert places.n_spans[row] == expected.locality.n_spans
    if places.n_spans[row]:
        fill = places.span_firings[row] / places.span_tokens[row]
        assert fill == expected.locality.span_fill
    lift = expected.locality.lift
    assert found.lift.n_pairs[row].tolist() == lift.n_pairs.tolist()
    assert found.lift.n_both[row].tolist() == lift.n_both.tolist()
    assert found.lift.n_null_sample[row] == lift.n_null_sample
    for measured, listed in ((found.lift.lift, lift.lift), (found.lift.null, lift.null)):
        assert all(same(a, b) for a, b in zip(measured[row], listed, strict=True))


def check_tokens(found: RangeStatistics, row: int, expected: FeatureStatistics) -> None:
    kept, tokens = found.tokens, expected.tokens
    rows = slice(kept.indptr[row], kept.indptr[row + 1])
    for name in ("token_id", "n_active", "n_occurrences", "share", "mean", "max"):
        assert getattr(kept, name)[rows].tolist() == getattr(tokens, name).tolist(), name
    assert kept.n_tokens[row] == tokens.n_tokens
    assert kept.n_active_left_out[row] == tokens.n_active_left_out
    assert kept.share_left_out[row] == tokens.share_left_out


def check_group(part: RangeStatistics, row: int, expected: ExampleGroup) -> None:
    examples, bands = expected.examples, expected.examples.bands
    found: RangeExamples = getattr(part, examples.group)
    rows = slice(found.indptr[row], found.indptr[row + 1])
    for name in ("context_id", "position", "activation", "band", "repeats"):
        assert getattr(found, name)[rows].tolist() == getattr(examples, name).tolist(), name
    start, stop = part.windows(found.position[rows])
    assert start.tolist() == expected.windows.start.tolist()
    assert stop.tolist() == expected.windows.stop.tolist()
    assert found.n_candidates[row] == examples.n_candidates
    n_bands = bands.low.size
    assert found.band_low[row, :n_bands].tolist() == bands.low.tolist()
    assert found.band_high[row, :n_bands].tolist() == bands.high.tolist()
    assert found.band_n_active[row, :n_bands].tolist() == bands.n_active.tolist()
    assert np.isnan(found.band_low[row, n_bands:]).all()
    firings = slice(found.firing_indptr[rows.start], found.firing_indptr[rows.stop])
    indptr = found.firing_indptr[rows.start : rows.stop + 1] - firings.start
    assert indptr.tolist() == expected.activations.indptr.tolist()
    assert found.firing_position[firings].tolist() == expected.activations.position.tolist()
    assert found.firing_activation[firings].tolist() == expected.activations.activation.tolist()
