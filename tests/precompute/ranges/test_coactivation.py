"""Partners equal those of the full matrix of joint counts."""

from pathlib import Path

import numpy as np
import pytest

from app.precompute.ranges.coactivation import FirstTokens, range_partners
from app.precompute.ranges.events import Ground, range_events
from app.stats.corpus import Corpus
from app.stats.event_writer import write_manifest, write_shard
from app.stats.events import EventStore

N_CONTEXTS, SIZE, D_SAE = 9, 7, 70


@pytest.fixture
def corpus() -> Corpus:
    shape = (N_CONTEXTS, SIZE)
    counted = np.ones(shape, np.bool_)
    counted[:, 0] = False
    return Corpus(np.zeros(shape, np.uint16), counted, np.full(shape, -1, np.int32), 1)


def dense_features(corpus: Corpus) -> np.ndarray:
    """[context, position, feature]: dead ones, one everywhere, some that are equal, many alike."""
    rng = np.random.default_rng(4)
    density = np.resize([0, 0.1, 0.4, 0.4, 1, 0.02, 0.3, 0.25], D_SAE)
    fires = rng.random((N_CONTEXTS, SIZE, D_SAE)) < density
    fires[:, :, 3] = fires[:, :, 2]
    return (fires & corpus.counted[:, :, None]).astype(np.float32)


def store_of(folder: Path, dense: np.ndarray, per_shard: int) -> EventStore:
    write_manifest(
        folder, d_sae=D_SAE, context_size=SIZE, contexts_per_shard=per_shard, n_contexts=N_CONTEXTS
    )
    for index, first in enumerate(range(0, N_CONTEXTS, per_shard)):
        part = dense[first : first + per_shard].reshape(-1, D_SAE)
        token, feature = np.nonzero(part)
        write_shard(folder, index, feature, token, part[token, feature], D_SAE)
    return EventStore.open(folder)


@pytest.mark.parametrize("per_shard", [1, 4, 9])
@pytest.mark.parametrize(("max_tokens", "n_contexts"), [(10**9, 9), (30, 5), (29, 4), (0, 1)])
def test_equal_to_the_full_matrix(
    tmp_path: Path, corpus: Corpus, per_shard: int, max_tokens: int, n_contexts: int
) -> None:
    dense = dense_features(corpus)
    store, ground = store_of(tmp_path, dense, per_shard), Ground.of(corpus)
    first_tokens = FirstTokens.of(store, corpus, max_tokens)
    assert (first_tokens.n_contexts, first_tokens.n_tokens) == (n_contexts, 6 * n_contexts)
    fires = dense[:n_contexts].reshape(-1, D_SAE)
    joint = (fires.T @ fires).astype(int)
    n_active = joint.diagonal()
    for first, stop in ((0, 33), (33, D_SAE)):
        events = range_events(store, ground, first, stop)
        found = range_partners(events, first_tokens, SIZE, 3)
        assert found.n_tokens == first_tokens.n_tokens
        for row, f in enumerate(range(first, stop)):
            jaccard = joint[f] / np.maximum(n_active[f] + n_active - joint[f], 1)
            others = [g for g in range(D_SAE) if g != f and joint[f, g]]
            ranked = sorted(others, key=lambda g, by=jaccard: (-by[g], g))[:3]
            n = len(ranked)
            assert found.n_active[row] == n_active[f]
            assert found.partner[row].tolist() == ranked + [-1] * (3 - n)
            assert found.n_joint[row, :n].tolist() == joint[f, ranked].tolist()
            assert found.jaccard[row, :n].tolist() == jaccard[ranked].tolist()
            lift = joint[f, ranked] * found.n_tokens / (n_active[f] * n_active[ranked])
            assert found.lift[row, :n].tolist() == lift.tolist()
            given_this = found.partner_given_this[row, :n] * n_active[f]
            np.testing.assert_allclose(given_this, joint[f, ranked])
            given_partner = found.this_given_partner[row, :n] * n_active[ranked]
            np.testing.assert_allclose(given_partner, joint[f, ranked])


def test_a_feature_that_fires_more_often_than_sixteen_bits_count(tmp_path: Path) -> None:
    shape = (700, 100)
    counted = np.ones(shape, np.bool_)
    corpus = Corpus(np.zeros(shape, np.uint16), counted, np.full(shape, -1, np.int32), 1)
    n = counted.size
    write_manifest(tmp_path, d_sae=2, context_size=100, contexts_per_shard=700, n_contexts=700)
    feature, token = np.repeat([0, 1], n), np.tile(np.arange(n), 2)
    write_shard(tmp_path, 0, feature, token, np.ones(2 * n, np.float32), 2)
    store = EventStore.open(tmp_path)
    events = range_events(store, Ground.of(corpus), 0, 2)
    found = range_partners(events, FirstTokens.of(store, corpus, n), 100, 1)
    assert found.n_joint.tolist() == [[n], [n]]
    assert found.jaccard.tolist() == [[1.0], [1.0]]
