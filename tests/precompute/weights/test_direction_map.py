"""The map of directions: principal components against numpy, UMAP where it is installed."""

import warnings
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch

from app.db.maps import get_direction_map
from app.errors import AtlasError
from app.precompute.weights import direction_map as module
from app.precompute.weights.direction_map import (
    FEWEST_FOR_UMAP,
    check_map_choice,
    direction_map,
    principal_components,
)
from app.precompute.weights.neighbors import nearest_features

needs_umap = pytest.mark.skipif(find_spec("umap") is None, reason="umap-learn is not installed")


def _rows(n: int = 40, width: int = 7, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed))


def test_components_are_numpys_singular_vectors() -> None:
    W_dec = _rows() * torch.linspace(0.1, 5, 40)[:, None]
    found, share = principal_components(W_dec)
    rows = W_dec.double().numpy()
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows -= rows.mean(axis=0)
    _, sizes, vectors = np.linalg.svd(rows, full_matrices=False)
    expected = rows @ vectors[:2].T
    signs = np.sign((expected * found).sum(axis=0))
    np.testing.assert_allclose(found, expected * signs, atol=1e-5)
    assert share == pytest.approx((sizes[:2] ** 2).sum() / (sizes**2).sum(), rel=1e-5)


def test_signs_are_those_of_the_largest_loading() -> None:
    """Turning every direction around turns the rows' picture, never the axes' signs by chance."""
    W_dec = torch.tensor([[1.0, 0.0], [0.9, 0.1], [-1.0, 0.05], [-0.8, 0.0]])
    found, _ = principal_components(W_dec)
    assert found[0, 0] > 0 > found[2, 0]
    turned, _ = principal_components(-W_dec)
    np.testing.assert_allclose(turned, -found, atol=1e-6)


def test_lengths_don_t_matter_and_a_row_of_zeros_has_a_place() -> None:
    W_dec = _rows()
    W_dec[3] = 0
    found, _ = principal_components(W_dec)
    longer, _ = principal_components(W_dec * torch.rand(40, 1).add(0.5))
    np.testing.assert_allclose(found, longer, atol=1e-5)
    assert np.isfinite(found).all()


def test_one_dimension_is_a_line() -> None:
    found, share = principal_components(torch.tensor([[1.0], [-2.0], [3.0]]))
    assert found[:, 1].tolist() == [0, 0, 0]
    assert share == 1


def test_small_dictionaries_are_mapped_by_components() -> None:
    few = direction_map(_rows(FEWEST_FOR_UMAP - 1), "umap", seed=0)
    assert few is not None
    assert "principal components" in few.method
    assert "% of the variance" in few.method
    assert few.positions.dtype == np.float32
    assert direction_map(_rows(), "none", seed=0) is None


def test_without_umap_components_take_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_has_umap", lambda: False)
    found = direction_map(_rows(FEWEST_FOR_UMAP), "auto", seed=0)
    assert found is not None
    assert found.method.startswith("principal components")
    with pytest.raises(AtlasError, match="umap-learn"):
        check_map_choice("umap")
    check_map_choice("auto")


def test_a_failing_umap_is_said_once_and_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no room")

    monkeypatch.setattr(module, "_has_umap", lambda: True)
    monkeypatch.setattr(module, "_umap", fail)
    said: list[str] = []
    found = direction_map(_rows(FEWEST_FOR_UMAP), "umap", 0, said.append)
    assert found is not None
    assert found.method.startswith("principal components")
    assert said == [
        "UMAP failed (no room): the map of directions shows principal components instead."
    ]


def test_neighbours_are_the_exact_ones_and_each_its_own_first() -> None:
    W_dec = _rows(70)
    index, distance = module._neighbors(W_dec)
    assert index[:, 0].tolist() == list(range(70))
    assert not distance[:, 0].any()
    rows = torch.nn.functional.normalize(W_dec, dim=1)
    cosine = (rows @ rows.T).numpy()
    np.testing.assert_allclose(distance, 1 - np.take_along_axis(cosine, index, 1), atol=1e-5)
    [(nearest, _)] = nearest_features(W_dec, 14)
    assert (index[:, 1:] == nearest.numpy()).all()


@pytest.mark.parametrize("which", [0, 1])
def test_the_job_stores_the_map_of_each_dictionary(judged: Any, which: int) -> None:
    sae = judged.saes[which]
    stored = get_direction_map(judged.connection, sae.stored.sae_id)
    assert stored is not None
    expected, _ = principal_components(torch.tensor(sae.tensors["W_dec"]))
    assert stored.positions.shape == (sae.stored.record.d_sae, 2)
    np.testing.assert_allclose(np.abs(stored.positions), np.abs(expected), atol=1e-4)


@needs_umap
def test_umap_keeps_clusters_together_twice_the_same_and_silently() -> None:
    """Three bundles of directions in ten dimensions; compiling takes most of the time."""
    generator = torch.Generator().manual_seed(1)
    centres = 6 * torch.eye(10)[:3]
    W_dec = centres.repeat_interleave(40, 0) + torch.randn(120, 10, generator=generator)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first = direction_map(W_dec, "auto", seed=3)
        again = direction_map(W_dec, "auto", seed=3)
    assert first is not None and again is not None
    assert first.method.startswith("UMAP")
    assert "seed 3" in first.method
    assert (first.positions == again.positions).all()
    cluster = np.repeat(np.arange(3), 40)
    centre = np.stack([first.positions[cluster == c].mean(axis=0) for c in range(3)])
    far = np.linalg.norm(first.positions[:, None] - centre, axis=2)
    assert (far.argmin(axis=1) == cluster).all()
