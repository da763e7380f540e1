"""One call gives all statistics, whatever the shards, and for dead features too."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.stats.corpus import Corpus
from app.stats.event_writer import write_manifest, write_shard
from app.stats.events import EventStore, FeatureEvents
from app.stats.feature import StatisticsSettings, describe_feature

FEATURE = 3


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), per_shard=st.integers(1, 9))
def test_shard_size_changes_nothing(
    draw_world: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    per_shard: int,
) -> None:
    world = draw_world(data)
    store = shards_of(tmp_path_factory.mktemp("events"), world.dense, per_shard)
    (events,) = store.features(FEATURE, FEATURE + 1)
    use = StatisticsSettings(n_top=3, n_tokens=2)
    sharded = describe_feature(events, world.corpus, use)
    whole = describe_feature(world.events, world.corpus, use)
    np.testing.assert_equal(asdict(sharded), asdict(whole))


def test_a_dead_feature(
    make_corpus: Callable[..., Corpus], make_events: Callable[..., FeatureEvents]
) -> None:
    corpus = make_corpus([[0, 1, 2]])
    found = describe_feature(make_events(np.zeros((1, 3), dtype=np.float32)), corpus)
    assert found.statistics.max_activation is None
    assert found.histogram.counts.size == found.tokens.token_id.size == 0
    assert [group.examples.group for group in found.groups] == [
        "top",
        "interval",
        "quantile",
        "silent",
    ]
    assert all(group.examples.context_id.size == 0 for group in found.groups)
    assert found.locality.runs.n_runs == 0


def test_settings_reach_the_statistics(
    make_corpus: Callable[..., Corpus], make_events: Callable[..., FeatureEvents]
) -> None:
    rng = np.random.default_rng(0)
    corpus = make_corpus(rng.integers(0, 10, (40, 30)).tolist())
    fires = (rng.random((40, 30)) < 0.5) & corpus.counted
    dense = np.where(fires, rng.random((40, 30)) + 0.1, 0).astype(np.float32)
    use = StatisticsSettings(
        n_top=4, per_band=2, n_quantiles=3, per_quantile=2, n_silent=6, window_before=5
    )
    found = describe_feature(make_events(dense), corpus, use)
    sizes = [group.examples.context_id.size for group in found.groups]
    assert sizes == [4, 10, 6, 6]
    for group in found.groups:
        assert (group.examples.position - group.windows.start <= 5).all()
        assert group.activations.indptr.size == group.examples.context_id.size + 1


def shards_of(folder: Path, dense: np.ndarray, per_shard: int) -> EventStore:
    n_contexts, context_size = dense.shape
    write_manifest(
        folder,
        d_sae=FEATURE + 2,
        context_size=context_size,
        contexts_per_shard=per_shard,
        n_contexts=n_contexts,
    )
    for index, first in enumerate(range(0, n_contexts, per_shard)):
        part = dense[first : first + per_shard].reshape(-1)
        token = np.flatnonzero(part)
        write_shard(folder, index, np.full(token.size, FEATURE), token, part[token], FEATURE + 2)
    return EventStore.open(folder)
