"""Norms at the hooks of a model that was made to shout at one token."""

from typing import Any

import numpy as np
import pytest

from app.db.studies import get_study
from app.db.study_records.norms import Norms

SAES = ("resid", "mlp")


def found_of(loud: Any, sae: str) -> Norms:
    found = get_study(loud.connection, Norms, loud.saes[sae].stored.sae_id)
    assert found is not None
    return found


def test_the_planted_token_is_the_outlier(loud: Any) -> None:
    found = found_of(loud, "resid")
    norm = np.linalg.norm(loud.saes["resid"].x, axis=-1)
    is_loud = (loud.tokens == loud.loud_id) & loud.counted
    assert norm[is_loud].min() > norm[loud.counted & ~is_loud].max()
    row = int(np.flatnonzero(found.tokens.token_id == loud.loud_id)[0])
    assert found.tokens.maximum[row] == pytest.approx(norm[is_loud].max(), rel=1e-4)
    assert found.tokens.maximum[row] == np.nanmax(found.tokens.maximum)
    assert found.tokens.mean[row] == pytest.approx(norm[is_loud].mean(), rel=1e-4)
    assert found.tokens.n[row] == found.tokens.n_outlier[row] == is_loud.sum()
    assert found.tokens.error_share[row] > 0.5


@pytest.mark.parametrize("sae", SAES)
def test_shares_are_those_of_dense_activations(loud: Any, sae: str) -> None:
    found, own = found_of(loud, sae), loud.saes[sae]
    norm = np.linalg.norm(own.x, axis=-1)[loud.counted]
    error = ((own.x - own.x_hat) ** 2).sum(axis=-1)[loud.counted]
    median = np.quantile(norm, 0.5, method="inverted_cdf")
    mad = np.quantile(np.abs(norm - median), 0.5, method="inverted_cdf")
    outlier = norm > median + 6 * mad
    assert found.hook_name == own.stored.record.hook_name
    assert found.norm.median == pytest.approx(median, rel=1e-4)
    assert found.mad == pytest.approx(mad, rel=1e-3)
    assert found.threshold == pytest.approx(median + 6 * mad, rel=1e-3)
    assert found.n_outlier == outlier.sum()
    assert found.outlier_square_share == pytest.approx(
        (norm[outlier] ** 2).sum() / (norm**2).sum(), rel=1e-4
    )
    assert found.outlier_error_share == pytest.approx(error[outlier].sum() / error.sum(), rel=1e-4)
    assert found.mse_without_outliers == pytest.approx(error[~outlier].mean() / 16, rel=1e-4)
    assert found.n_outlier_token_ids == len(np.unique(loud.tokens[loud.counted][outlier]))
    assert found.n_token_ids == len(np.unique(loud.tokens[loud.counted]))


@pytest.mark.parametrize("sae", SAES)
def test_by_position_and_apart(loud: Any, sae: str) -> None:
    found = found_of(loud, sae)
    norm = np.linalg.norm(loud.saes[sae].x, axis=-1)
    for position in range(1, norm.shape[1]):
        own = norm[:, position][loud.counted[:, position]]
        assert found.position_n[position] == len(own)
        assert found.position_mean[position] == pytest.approx(own.mean(), rel=1e-4)
        assert found.position_std[position] == pytest.approx(own.std(), rel=1e-3)
        assert found.position_maximum[position] == pytest.approx(own.max(), rel=1e-4)
    assert found.zero is not None
    assert found.zero.n == len(norm)
    assert found.zero.mean == pytest.approx(norm[:, 0].mean(), rel=1e-4)
    special = ~loud.counted
    special[:, 0] = False
    assert (0 if found.special is None else found.special.n) == special.sum() > 0
    assert found.special is not None
    assert found.special.maximum == pytest.approx(norm[special].max(), rel=1e-4)


def test_the_unembedding_is_that_of_the_lens(loud: Any) -> None:
    found, record = found_of(loud, "resid"), loud.saes["resid"].stored.record
    columns = loud.plain.lm_head.weight.detach().norm(dim=1).numpy()
    assert found.unembedding.n_outlier == record.n_tokens_outlier
    assert found.unembedding.n == len(columns) - record.n_tokens_unproducible
    np.testing.assert_allclose(found.tokens.unembedding, columns[found.tokens.token_id], rtol=1e-5)


def test_the_first_ids_of_every_order_are_listed(loud: Any) -> None:
    found = found_of(loud, "mlp")
    norm = np.linalg.norm(loud.saes["mlp"].x, axis=-1)
    ids = loud.tokens[loud.counted]
    seen = np.unique(ids)
    mean = {i: norm[loud.counted][ids == i].mean() for i in seen.tolist()}
    first = sorted(mean, key=lambda i: -mean[i])[: found.n_listed]
    assert set(first) <= set(found.tokens.token_id.tolist())
    assert (np.diff(found.tokens.token_id) > 0).all()
