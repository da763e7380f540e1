"""Other tools' figures from sums over batches, beside their own code's steps on whole batches."""

import numpy as np
import pytest

from app.stats import variants as module
from app.stats.variants import BatchSums, variants

RNG = np.random.default_rng(0)


def two_batches() -> list[tuple[np.ndarray, np.ndarray]]:
    """Activations with a large mean, as real ones have, and one token of an outlier norm."""
    batches = []
    for n in (30, 17):
        x = RNG.normal(4, 1, (n, 8)).astype(np.float32)
        x[3] *= 25
        x_hat = (0.9 * x + RNG.normal(0.3, 0.4, x.shape)).astype(np.float32)
        batches.append((x, x_hat))
    return batches


BATCHES = two_batches()


def found() -> dict[str, float]:
    return variants([BatchSums.of(x, x_hat) for x, x_hat in BATCHES])


def each() -> list[tuple[np.ndarray, np.ndarray]]:
    return [(x.astype(np.float64), x_hat.astype(np.float64)) for x, x_hat in BATCHES]


def whole() -> tuple[np.ndarray, np.ndarray]:
    x, x_hat = zip(*each(), strict=True)
    return np.concatenate(x), np.concatenate(x_hat)


def norm(x: np.ndarray) -> np.ndarray:
    return np.sqrt((x**2).sum(axis=-1))


def test_pooled_is_this_projects_own() -> None:
    x, x_hat = whole()
    expected = 1 - ((x - x_hat) ** 2).sum() / ((x - x.mean(axis=0)) ** 2).sum()
    assert found()["pooled"] == pytest.approx(expected)
    assert found()["mse"] == pytest.approx(((x - x_hat) ** 2).mean())


def test_saelens_legacy_averages_tokens_around_the_mean_of_a_batch() -> None:
    tokens = [1 - norm(x - x_hat) ** 2 / norm(x - x.mean(axis=0)) ** 2 for x, x_hat in each()]
    assert found()["saelens_legacy"] == pytest.approx(np.concatenate(tokens).mean())


def test_saelens_5_subtracts_one_number_from_the_mean_square() -> None:
    """Its three lists, stacked and concatenated as there."""
    of_squares = [(x**2).sum(axis=-1).mean() for x, _ in each()]
    per_dimension = [(x**2).mean(axis=0) for x, _ in each()]
    of_residuals = [((x - x_hat) ** 2).sum(axis=-1).mean() for x, x_hat in each()]
    total = np.stack(of_squares).mean() - np.concatenate(per_dimension).mean() ** 2
    expected = 1 - np.stack(of_residuals).mean() / total
    assert found()["saelens_5"] == pytest.approx(expected)


def test_dictionary_learning_takes_variances_of_residuals() -> None:
    values = [
        1 - np.var(x - x_hat, axis=0, ddof=1).sum() / np.var(x, axis=0, ddof=1).sum()
        for x, x_hat in each()
    ]
    assert found()["dictionary_learning"] == pytest.approx(np.mean(values))
    # a constant error costs nothing there
    shifted = variants([BatchSums.of(x, x + np.float32(7)) for x, _ in BATCHES])
    assert shifted["dictionary_learning"] == pytest.approx(1)
    assert shifted["pooled"] < 0.9


def test_sparsify_averages_batches() -> None:
    values = [((x - x_hat) ** 2).sum() / ((x - x.mean(axis=0)) ** 2).sum() for x, x_hat in each()]
    assert found()["sparsify"] == pytest.approx(1 - np.mean(values))


def test_openai_averages_tokens_around_zero() -> None:
    x, x_hat = whole()
    expected = (((x_hat - x) ** 2).mean(axis=1) / (x**2).mean(axis=1)).mean()
    assert found()["openai"] == pytest.approx(1 - expected)


def test_by_dimension_averages_dimensions() -> None:
    x, x_hat = whole()
    shares = ((x - x_hat) ** 2).sum(axis=0) / ((x - x.mean(axis=0)) ** 2).sum(axis=0)
    assert found()["by_dimension"] == pytest.approx((1 - shares).mean())


def test_errors_and_lengths() -> None:
    x, x_hat = whole()
    figures = found()
    assert figures["saelens_mse"] == pytest.approx((norm(x - x_hat) ** 2).mean())
    by_batch = np.concatenate([norm(a - b) ** 2 / len(a) for a, b in each()])
    assert figures["saelens_5_mse"] == pytest.approx(by_batch.mean())
    assert figures["l2_loss"] == pytest.approx(np.mean([norm(a - b).mean() for a, b in each()]))
    assert figures["norm_ratio"] == pytest.approx((norm(x_hat) / norm(x)).mean())
    bias = [(norm(b) ** 2).mean() / (a * b).sum(axis=-1).mean() for a, b in each()]
    assert figures["reconstruction_bias"] == pytest.approx(np.mean(bias))
    cosine = (x / norm(x)[:, None] * (x_hat / norm(x_hat)[:, None])).sum(axis=-1)
    assert figures["cosine"] == pytest.approx(cosine.mean())


def test_blocks_of_a_batch_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = found()
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 7)
    assert found() == pytest.approx(expected, rel=1e-12)


def test_a_large_mean_flatters_what_is_not_centred() -> None:
    """Half of every deviation is reconstructed: that explains three quarters of the variance."""
    deviation = RNG.normal(size=(4_000, 8))
    x = (10 + deviation).astype(np.float32)
    figures = variants([BatchSums.of(x, (10 + 0.5 * deviation).astype(np.float32))])
    for name in ("pooled", "saelens_legacy", "dictionary_learning", "sparsify", "by_dimension"):
        assert figures[name] == pytest.approx(0.75, abs=0.01)
    assert figures["openai"] == pytest.approx(1 - 0.25 / 101, abs=1e-3)
    assert figures["saelens_5"] > 0.99
