"""Nearest features equal a sort of the whole cosine matrix."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from app.precompute.weights.neighbors import encoder_decoder_cosine, nearest_features


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(1, 40), k=st.integers(1, 12), block=st.integers(1, 50), seed=st.integers(0, 99)
)
def test_equal_to_sorting_everything(n: int, k: int, block: int, seed: int) -> None:
    """Small whole numbers, so that there are ties: they go to the lower index."""
    W_dec = torch.from_numpy(np.random.default_rng(seed).integers(-1, 2, (n, 4))).float()
    index, cosine = (
        torch.cat(part).numpy() for part in zip(*nearest_features(W_dec, k, block), strict=True)
    )
    norms = np.linalg.norm(W_dec.numpy(), axis=1, keepdims=True)
    directions = W_dec.numpy() / np.where(norms == 0, 1, norms)
    whole = np.round(directions @ directions.T, 5)
    for feature in range(n):
        others = [f for f in range(n) if f != feature]
        expected = sorted(others, key=lambda f: (-whole[feature, f], f))[:k]
        np.testing.assert_allclose(cosine[feature], whole[feature, expected], atol=1e-5)
        # Rounding may order what is equal in exact arithmetic; the cosines are those it names.
        np.testing.assert_allclose(whole[feature, index[feature]], cosine[feature], atol=1e-5)
        assert len(set(index[feature])) == len(expected)
        assert feature not in index[feature]


def test_exact_ties_go_to_the_lower_index() -> None:
    ((index, cosine),) = nearest_features(torch.eye(6), k=3)
    assert index[:3].tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3]]
    assert (cosine == 0).all()


def test_a_part_of_the_features_has_all_for_neighbours() -> None:
    W_dec = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    whole = [torch.cat(column) for column in zip(*nearest_features(W_dec, 3), strict=True)]
    parts = [
        torch.cat(column) for column in zip(*nearest_features(W_dec, 3, 2, (4, 9)), strict=True)
    ]
    assert parts[0].tolist() == whole[0][4:9].tolist()
    torch.testing.assert_close(parts[1], whole[1][4:9])


def test_encoder_and_decoder_of_one_space() -> None:
    W_dec = torch.tensor([[3.0, 4.0], [1.0, 0.0]])
    W_enc = torch.tensor([[3.0, 0.0], [4.0, 2.0]])
    found = encoder_decoder_cosine(W_enc, W_dec)
    assert found.tolist() == pytest.approx([1.0, 0.0])
