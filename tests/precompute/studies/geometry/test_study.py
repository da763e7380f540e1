"""Geometry from the job to the atlas, of a dictionary in which the answers are planted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from app.db.catalog import find_sae
from app.db.engine import open_atlas
from app.db.features import get_feature
from app.db.records import FeatureRecord
from app.db.studies import get_study
from app.db.study_records.geometry import RANKS, Geometry
from app.precompute.model.language_model import LanguageModel
from app.precompute.pipeline import run
from app.precompute.progress.reporter import Reporter
from app.precompute.settings import PrecomputeSettings
from app.precompute.studies.catalog import NAMES
from app.precompute.studies.geometry.activations import covariance_of
from app.stats.directions import clusters, entry_shares, nearest, unit_rows

SKIP = [name for name in NAMES if name != "geometry"]


def plant(folder: Path) -> np.ndarray:
    """Features 5 and 8 equal 2; 9 is one coordinate; 23, which never fires, equals 12."""
    path = folder / "sae_weights.safetensors"
    tensors = load_file(path)
    W_dec = tensors["W_dec"].copy()
    W_dec[5], W_dec[8] = 2 * W_dec[2], 0.5 * W_dec[2]
    W_dec[9] = 0
    W_dec[9, 4] = -3
    W_dec[23] = W_dec[12]
    save_file(tensors | {"W_dec": W_dec}, path)
    return W_dec


def measured(
    settings: PrecomputeSettings, reporter: Reporter
) -> tuple[Geometry, list[FeatureRecord]]:
    run(settings, reporter=reporter)
    atlas = open_atlas(settings.output)
    with atlas.connect() as connection:
        sae = find_sae(connection, "tiny", "resid")
        assert sae is not None
        found = get_study(connection, Geometry, sae.sae_id)
        rows = [get_feature(connection, sae.sae_id, i) for i in range(sae.record.n_features)]
    atlas.close()
    assert found is not None
    return found, [row for row in rows if row is not None]


def column(features: list[FeatureRecord], name: str) -> np.ndarray:
    return np.array([getattr(row, name) for row in features], float)


def test_what_was_planted_is_found(
    small: Callable[..., PrecomputeSettings], quiet: Reporter
) -> None:
    settings = small(skip=SKIP, verify=False)
    W_dec = plant(Path(settings.sae[0]))
    found, features = measured(settings, quiet)
    _, cosine = nearest(W_dec, RANKS)
    np.testing.assert_allclose(found.cosine, cosine, atol=1e-5)
    assert found.nearest_index[[5, 8]].tolist() == [2, 2]
    np.testing.assert_allclose(column(features, "nearest_cosine"), cosine[0], atol=1e-5)
    living = np.array([(row.n_active or 0) > 0 for row in features])
    assert not living[23]
    times = [int((found.nearest_index[living] == i).sum()) for i in range(24)]
    assert [row.times_nearest for row in features] == times

    unit = unit_rows(W_dec)
    groups = clusters(found.near_first, found.near_second, found.near_cosine >= 0.99)
    assert groups == [[2, 5, 8]]
    pairs = np.triu(unit @ unit.T, 1) * np.outer(living, living)
    assert found.n_near_pairs[-1] == (pairs >= 0.99).sum() == 3

    shares = entry_shares(W_dec)[1]
    np.testing.assert_allclose(column(features, "neuron_share"), shares[0], rtol=1e-5)
    assert found.neuron_index[9] == 4
    assert found.neuron_cosine[9] == 1
    dense = [(row.density or 0) > 1e-4 for row in features]
    cosines = (unit[dense] @ unit[dense].T)[np.triu_indices(sum(dense), 1)]
    assert found.pairs.n_directions == sum(dense)
    assert found.pairs.mean == pytest.approx(cosines.mean(), abs=1e-9)
    assert found.pairs.variance == pytest.approx(cosines.var())
    tensors = load_file(Path(settings.sae[0]) / "sae_weights.safetensors")
    lengths = np.linalg.norm(tensors["W_enc"], axis=0)
    np.testing.assert_allclose(column(features, "encoder_norm"), lengths, rtol=1e-5)


@pytest.mark.parametrize("gigabytes", [0.0, 8.0])
def test_the_covariance_costs_no_more_than_its_price(
    small: Callable[..., PrecomputeSettings],
    quiet: Reporter,
    monkeypatch: pytest.MonkeyPatch,
    gigabytes: float,
) -> None:
    """Without kept activations exactly the price; with them nothing, and the same numbers."""
    seen: list[int] = []
    said: list[str] = []
    forward = LanguageModel.activations

    def counting(model: LanguageModel, tokens: Any, hook_names: Any) -> Any:
        seen.append(tokens.numel())
        return forward(model, tokens, hook_names)

    def covariance(*asked: Any) -> Any:
        with monkeypatch.context() as within:
            within.setattr(LanguageModel, "activations", counting)
            return covariance_of(*asked)

    monkeypatch.setattr("app.precompute.studies.geometry.study.covariance_of", covariance)
    monkeypatch.setattr(quiet, "say", said.append)
    found, _ = measured(small(skip=SKIP, activation_gigabytes=gigabytes), quiet)
    price = next(line for line in said if line.startswith("Study geometry"))
    promised = int(price.split(": ")[1].split(" tokens")[0].replace(",", ""))
    assert promised > 0
    assert sum(seen) == (0 if gigabytes else promised)
    assert [each.kind for each in found.random] == ["isotropic", "covariance"]
    assert found.covariance_tokens > 0
