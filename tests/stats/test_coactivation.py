"""Partners equal those of the full matrix of joint counts."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from app.stats.coactivation import TokenSet, coactivation
from app.stats.corpus import Corpus
from app.stats.event_writer import write_manifest, write_shard
from app.stats.events import EventStore

N_CONTEXTS, SIZE, D_SAE = 9, 7, 6


@pytest.fixture
def corpus(make_corpus: Callable[..., Corpus]) -> Corpus:
    return make_corpus([[0] * SIZE] * N_CONTEXTS)


def dense_features(corpus: Corpus) -> np.ndarray:
    """[context, position, feature]: a dead one, one everywhere, two that are equal."""
    rng = np.random.default_rng(4)
    fires = rng.random((N_CONTEXTS, SIZE, D_SAE)) < np.array([0, 0.1, 0.4, 0.4, 1, 0.02])
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
    store = store_of(tmp_path, dense, per_shard)
    token_set = TokenSet.first_contexts(store, corpus, max_tokens)
    assert (token_set.n_contexts, token_set.n_tokens) == (n_contexts, 6 * n_contexts)
    fires = dense[:n_contexts].reshape(-1, D_SAE)
    joint = (fires.T @ fires).astype(int)
    n_active = joint.diagonal()
    found = list(coactivation(store, token_set, n_strongest=3, events_at_once=20))
    assert [record.feature_index for record in found] == list(range(D_SAE))
    for f, record in enumerate(found):
        union = n_active[f] + n_active - joint[f]
        jaccard = joint[f] / np.maximum(union, 1)
        others = [g for g in range(D_SAE) if g != f and joint[f, g]]
        ranked = sorted(others, key=lambda g: (-jaccard[g], g))[:3]
        assert record.n_active == n_active[f]
        assert record.partner.tolist() == ranked
        assert record.n_joint.tolist() == joint[f, ranked].tolist()
        assert record.jaccard.tolist() == jaccard[ranked].tolist()
        n_tokens = token_set.n_tokens
        lift = joint[f, ranked] * n_tokens / np.maximum(n_active[f] * n_active[ranked], 1)
        np.testing.assert_allclose(record.lift, lift)
        np.testing.assert_allclose(record.partner_given_this * n_active[f], joint[f, ranked])
        np.testing.assert_allclose(record.this_given_partner * n_active[ranked], joint[f, ranked])
