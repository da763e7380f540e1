"""Events written in shards of any size read back as the dense activations they came from."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import AtlasError
from app.stats.event_writer import write_manifest, write_shard
from app.stats.events import EventStore

D_SAE = 5


def dense_activations(seed: int, n_contexts: int, context_size: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shape = (n_contexts, context_size, D_SAE)
    density = np.array([0.0, 0.05, 0.3, 0.3, 1.0])  # the first is dead, the last fires everywhere
    dense = np.where(rng.random(shape) < density, rng.choice([0.5, 1.0, 2.5], shape), 0)
    return dense.astype(np.float32)


def write_events(folder: Path, dense: np.ndarray, per_shard: int, shuffled: bool = False) -> None:
    n_contexts, context_size, d_sae = dense.shape
    write_manifest(
        folder,
        d_sae=d_sae,
        context_size=context_size,
        contexts_per_shard=per_shard,
        n_contexts=n_contexts,
    )
    for index, first in enumerate(range(0, n_contexts, per_shard)):
        part = dense[first : first + per_shard].reshape(-1, d_sae)
        token, feature = np.nonzero(part)
        order = np.random.default_rng(0).permutation(token.size) if shuffled else slice(None)
        token, feature = token[order], feature[order]
        write_shard(folder, index, feature, token, part[token, feature], d_sae)


@pytest.mark.parametrize("per_shard", [1, 2, 3, 7])
@pytest.mark.parametrize("shuffled", [False, True])
def test_features_equal_the_dense_columns(tmp_path: Path, per_shard: int, shuffled: bool) -> None:
    dense = dense_activations(0, 7, 6)
    write_events(tmp_path, dense, per_shard, shuffled)
    store = EventStore.open(tmp_path)
    assert store.n_active().tolist() == (dense > 0).sum(axis=(0, 1)).tolist()
    for start, stop in [(0, D_SAE), (1, 3), (4, 5), (2, 2)]:
        read = list(store.features(start, stop))
        assert [events.feature_index for events in read] == list(range(start, stop))
        for events in read:
            column = dense[:, :, events.feature_index]
            context, position = np.nonzero(column)
            np.testing.assert_array_equal(events.context_id, context)
            np.testing.assert_array_equal(events.position, position)
            np.testing.assert_array_equal(events.activation, column[context, position])


@given(st.integers(1, 200))
def test_ranges_cover_every_feature_once(tmp_path_factory: object, max_events: int) -> None:
    assert isinstance(tmp_path_factory, pytest.TempPathFactory)
    folder = tmp_path_factory.mktemp("events")
    write_events(folder, dense_activations(2, 4, 6), 2)
    store = EventStore.open(folder)
    ranges = list(store.ranges(max_events))
    assert [f for start, stop in ranges for f in range(start, stop)] == list(range(D_SAE))
    n_active = store.n_active()
    for start, stop in ranges:
        assert stop == start + 1 or n_active[start:stop].sum() <= max_events


def test_the_widest_tokens_take_four_bytes(tmp_path: Path) -> None:
    token = np.array([2**16 - 1, 2**16, 7])
    feature, activation = np.zeros(3, dtype=np.int64), np.array([1, 2, 3], dtype=np.float32)
    write_manifest(tmp_path, d_sae=1, context_size=2**17, contexts_per_shard=1, n_contexts=1)
    write_shard(tmp_path, 0, feature, token, activation, 1)
    store = EventStore.open(tmp_path)
    assert store.shards[0].token.dtype == np.uint32
    (events,) = store.features(0, 1)
    assert events.position.tolist() == [7, 2**16 - 1, 2**16]
    write_shard(tmp_path, 0, feature[:1], token[:1], activation[:1], 1)  # again: replaced
    assert EventStore.open(tmp_path).shards[0].token.dtype == np.uint16


@given(data=st.data())
def test_a_context_holds_the_firings_of_all_features_in_it(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    n_contexts, context_size = data.draw(st.integers(1, 6)), data.draw(st.integers(2, 9))
    dense = dense_activations(data.draw(st.integers(0, 99)), n_contexts, context_size)
    folder = tmp_path_factory.mktemp("events")
    write_events(folder, dense, data.draw(st.integers(1, 4)))
    store = EventStore.open(folder)
    for context_id in range(n_contexts):
        feature, position, activation = store.context(context_id)
        wanted = np.argwhere(dense[context_id].T > 0)
        assert np.column_stack([feature, position]).tolist() == wanted.tolist()
        assert (activation == dense[context_id].T[feature, position]).all()


def test_a_half_written_shard_is_never_taken_for_one(tmp_path: Path) -> None:
    dense = dense_activations(3, 4, 6)
    write_events(tmp_path, dense, 2)
    (tmp_path / "shard-00001").rename(tmp_path / "shard-00001.partial")  # as a kill leaves it
    with pytest.raises(AtlasError, match=r"shard-00001.*run precompute again"):
        EventStore.open(tmp_path)
    write_events(tmp_path, dense, 2)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "events.json",
        "shard-00000",
        "shard-00001",
    ]


def test_a_manifest_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    write_events(tmp_path, dense_activations(3, 4, 6), 2)
    manifest = json.loads((tmp_path / "events.json").read_text())
    (tmp_path / "events.json").write_text(json.dumps({**manifest, "d_sae": D_SAE + 1}))
    with pytest.raises(AtlasError, match="6 features"):
        EventStore.open(tmp_path)


@pytest.mark.parametrize(
    ("feature", "activation"), [(D_SAE, 1.0), (-1, 1.0), (0, 0.0), (0, np.nan), (0, np.inf)]
)
def test_impossible_events_are_a_bug_of_the_caller(
    tmp_path: Path, feature: int, activation: float
) -> None:
    one = np.array([feature]), np.array([0]), np.array([activation], dtype=np.float32)
    with pytest.raises(ValueError, match=r"feature indices|positive finite"):
        write_shard(tmp_path, 0, *one, D_SAE)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    blocker = tmp_path / "events"
    blocker.write_text("a file where a folder should be")
    none = np.zeros(0, dtype=np.int64)
    with pytest.raises(AtlasError, match="run the same command again"):
        write_shard(blocker, 0, none, none, none.astype(np.float32), D_SAE)
    with pytest.raises(AtlasError, match="Could not write events"):
        write_manifest(blocker, d_sae=1, context_size=1, contexts_per_shard=1, n_contexts=1)
