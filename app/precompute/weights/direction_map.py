"""Where a feature lies on the map: its decoder direction in two dimensions.

Takes decoder rows, gives positions and the sentence that says how they were made. Directions alone
count: rows are brought to length 1. UMAP (McInnes, Healy and Melville 2018, arXiv:1802.03426) keeps
near directions near; it is started from the principal components (Kobak and Linderman 2021), fed
with exact neighbours, and run on one thread from a fixed seed, so that the same rows give the same
map. Without `umap-learn`, and for small dictionaries, the map is the principal components
themselves. Knows the weights alone; dead features are in it.
"""

import warnings
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from app.db.records import DirectionMap
from app.errors import AtlasError
from app.precompute.weights.neighbors import nearest_features

MapChoice = Literal["auto", "umap", "pca", "none"]

FEWEST_FOR_UMAP = 64
"""Below this a neighbourhood of fifteen is no neighbourhood."""

N_NEIGHBORS = 15
"""directions a feature is kept near, itself included"""
MIN_DIST = 0.1
"""how close two points may come"""
_START_SPREAD = 10.0
"""largest coordinate of the start, as UMAP's own"""


def check_map_choice(choice: MapChoice) -> None:
    """Refuses a choice that can't be kept, before the work.

    Raises:
        AtlasError: UMAP is asked for by name and is not installed.
    """
    if choice == "umap" and not _has_umap():
        raise AtlasError(
            "--direction-map umap needs the package umap-learn: install feature-atlas[map], or "
            "choose --direction-map pca."
        )


def direction_map(
    W_dec: Float[Tensor, "d_sae d_in"],
    choice: MapChoice,
    seed: int,
    say: Callable[[str], None] = lambda _: None,
) -> DirectionMap | None:
    """The map of a dictionary; None where none is asked for.

    `say` gets one sentence if UMAP fails and principal components take its place.
    """
    if choice == "none":
        return None
    components, share = principal_components(W_dec)
    pca = DirectionMap(
        "principal components of the decoder directions (rows of length 1, centred); the two hold "
        f"{100 * share:.1f}% of the variance",
        components,
    )
    if choice == "pca" or len(W_dec) < FEWEST_FOR_UMAP or not _has_umap():
        return pca
    try:
        positions = _umap(W_dec, components, seed)
    except Exception as error:  # whatever a foreign library dies of must not cost the atlas
        say(f"UMAP failed ({error}): the map of directions shows principal components instead.")
        return pca
    return DirectionMap(
        f"UMAP of the decoder directions (umap-learn {version('umap-learn')}, metric cosine, "
        f"{N_NEIGHBORS} exact neighbours, min_dist {MIN_DIST}, seed {seed}, started from the "
        "principal components)",
        positions,
    )


def principal_components(
    W_dec: Float[Tensor, "d_sae d_in"],
) -> tuple[Float[ndarray, "d_sae 2"], float]:
    """The first two principal components of the unit rows, and their share of the variance.

    Rows of zeros stay zeros before centring. The sign of a component is the one that makes its
    largest loading positive. Works on the d_in × d_in covariance in float64; a missing second
    component is zero.
    """
    rows = torch.nn.functional.normalize(W_dec.detach().float(), dim=1).cpu().double()
    centred = rows - rows.mean(dim=0)
    values, vectors = torch.linalg.eigh(centred.T @ centred)
    top = vectors.flip(1)[:, :2]
    largest = top.abs().argmax(dim=0)
    top = top * torch.sign(top[largest, torch.arange(top.shape[1])])
    found = np.zeros((len(rows), 2), np.float32)
    found[:, : top.shape[1]] = (centred @ top).numpy()
    total = float(values.clamp(min=0).sum())
    share = float(values.flip(0)[:2].clamp(min=0).sum()) / total if total > 0 else 0.0
    return found, share


def _has_umap() -> bool:
    return find_spec("umap") is not None


def _umap(
    W_dec: Float[Tensor, "d_sae d_in"], start: Float[ndarray, "d_sae 2"], seed: int
) -> Float[ndarray, "d_sae 2"]:
    """UMAP's positions; its import and its first run compile for some twenty seconds."""
    with warnings.catch_warnings():
        # they speak of threads and of transforming new points, neither of which is wanted
        warnings.simplefilter("ignore")
        from umap import UMAP

        fitted = UMAP(
            n_components=2,
            n_neighbors=N_NEIGHBORS,
            min_dist=MIN_DIST,
            metric="cosine",
            # its annotation names one of the three kinds it takes
            init=start * (_START_SPREAD / max(float(np.abs(start).max()), 1e-12)),  # pyright: ignore[reportArgumentType]
            precomputed_knn=_neighbors(W_dec),
            # precomputed neighbours of small sets are only taken with this
            force_approximation_algorithm=True,
            random_state=seed,
            n_jobs=1,
        ).fit_transform(np.zeros((len(W_dec), 1), np.float32))
    positions = np.asarray(fitted, dtype=np.float32)
    if not np.isfinite(positions).all():
        raise ValueError("it gave positions that are not numbers")
    return positions


def _neighbors(
    W_dec: Float[Tensor, "d_sae d_in"],
) -> tuple[ndarray, ndarray]:
    """Exact neighbours as UMAP takes them: indices and cosine distances, each feature first its
    own neighbour."""
    blocks = list(nearest_features(W_dec.detach(), N_NEIGHBORS - 1))
    index = torch.cat([block for block, _ in blocks]).cpu().numpy()
    cosine = torch.cat([block for _, block in blocks]).cpu().numpy()
    own = np.arange(len(index))[:, None]
    indices = np.concatenate([own, index], axis=1)
    distances = np.concatenate([np.zeros_like(cosine[:, :1]), 1 - cosine], axis=1)
    return indices, np.clip(distances, 0, 2).astype(np.float32)
