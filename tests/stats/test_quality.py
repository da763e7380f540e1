"""Figures from sums equal their definitions, however the tokens are split."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.stats.quality import QualitySums


def batch(seed: int, n: int = 40, d_in: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(3, 1, (n, d_in)).astype(np.float32)
    x_hat = (0.8 * x + rng.normal(0, 0.2, x.shape)).astype(np.float32)
    return x, x_hat, rng.integers(0, 9, n)


def test_figures_equal_their_definitions() -> None:
    x, x_hat, n_active = batch(0)
    found = QualitySums.of(x, x_hat, int(n_active.sum())).figures()
    x, x_hat = x.astype(np.float64), x_hat.astype(np.float64)
    error = ((x - x_hat) ** 2).sum()
    assert found.n_tokens == 40
    assert found.l0 == pytest.approx(n_active.mean())
    assert found.mse == pytest.approx(((x - x_hat) ** 2).mean())
    assert found.explained_variance == pytest.approx(1 - error / ((x - x.mean(0)) ** 2).sum())
    norms = np.linalg.norm(x, axis=1) * np.linalg.norm(x_hat, axis=1)
    assert found.cosine == pytest.approx(((x * x_hat).sum(1) / norms).mean())
    assert found.gamma == pytest.approx((x_hat**2).sum() / (x * x_hat).sum())
    # gamma's meaning: no other factor reconstructs better than 1 / gamma.
    scales = np.linspace(0.5, 2, 3001)
    best = min(scales, key=lambda scale: float(((x - scale * x_hat) ** 2).sum()))
    assert found.gamma is not None and best == pytest.approx(1 / found.gamma, abs=1e-3)


@given(st.integers(0, 40), st.integers(0, 40))
def test_merging_and_saving_change_nothing(first: int, second: int) -> None:
    x, x_hat, n_active = batch(1)
    cuts = sorted([first, second])
    merged = QualitySums.empty(6)
    for part in (slice(0, cuts[0]), slice(*cuts), slice(cuts[1], None)):
        sums = QualitySums.of(x[part], x_hat[part], int(n_active[part].sum()))
        merged.merge(QualitySums.from_state(json.loads(json.dumps(sums.state()))))
    whole = QualitySums.of(x, x_hat, int(n_active.sum()))
    assert (merged.n_tokens, merged.n_active) == (whole.n_tokens, whole.n_active)
    np.testing.assert_allclose(merged.sum_x, whole.sum_x)
    found, expected = merged.figures(), whole.figures()
    assert found.explained_variance == pytest.approx(expected.explained_variance)
    assert found.cosine == pytest.approx(expected.cosine)


def test_nothing_is_not_a_number() -> None:
    nothing = QualitySums.empty(3).figures()
    assert nothing.n_tokens == 0
    assert nothing.mse is nothing.l0 is nothing.explained_variance is nothing.gamma is None
    one = QualitySums.of(np.ones((1, 3)), np.zeros((1, 3)), 0).figures()
    assert one.explained_variance is one.gamma is None  # no variance, nothing reconstructed
    assert (one.mse, one.cosine) == (1.0, 0.0)
