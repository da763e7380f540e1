"""The figures that other tools print of a reconstruction, by their own formulas.

Takes x and x̂ of the tokens of one batch after the other, as those tools do; a batch's sums give
every figure. Each formula was read from its tool's source (named at its figure). None of them is
this project's definition, which is `quality`. Knows neither model nor dictionary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float64

SMALLEST_NORM = 1e-4
"""SAELens divides by 1 where ‖x‖ is below."""

ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class BatchSums:
    """Sums over the tokens of one batch; r = x − x̂, x̄ the mean over the batch."""

    n: int
    sum_x: Float64[np.ndarray, " d_in"]
    sum_r: Float64[np.ndarray, " d_in"]
    x_squared: Float64[np.ndarray, " d_in"]
    """Σ x²  by dimension"""
    r_squared: Float64[np.ndarray, " d_in"]
    reconstruction_squared: float
    """Σ ‖x̂‖²"""
    dot: float
    """Σ x·x̂"""
    token_variance: float
    """Σ (1 − ‖r‖² / ‖x − x̄‖²)"""
    token_nmse: float
    """Σ ‖r‖² / ‖x‖²"""
    residual_norm: float
    """Σ ‖r‖"""
    norm_ratio: float
    """Σ ‖x̂‖ / ‖x‖, the divisor 1 where ‖x‖ is below `SMALLEST_NORM`"""
    cosine: float
    """Σ cos(x, x̂)"""

    @classmethod
    def of(cls, x: Float[np.ndarray, "n d_in"], x_hat: Float[np.ndarray, "n d_in"]) -> "BatchSums":
        """Of at least one token, in float64. A quotient by zero is NaN or infinite, as it is there.

        Memory: `ROWS_AT_ONCE` tokens in float64, a few times.
        """
        parts = [slice(start, start + ROWS_AT_ONCE) for start in range(0, len(x), ROWS_AT_ONCE)]
        mean = np.sum([x[part].sum(axis=0, dtype=np.float64) for part in parts], axis=0) / len(x)
        blocks = [
            _block(x[part].astype(np.float64), x_hat[part].astype(np.float64), mean)
            for part in parts
        ]
        sums: list[Any] = [np.sum(column, axis=0) for column in zip(*blocks, strict=True)]
        return cls(len(x), *sums)


def _block(
    x: Float64[np.ndarray, "n d_in"],
    x_hat: Float64[np.ndarray, "n d_in"],
    mean: Float64[np.ndarray, " d_in"],
) -> tuple[Any, ...]:
    """The sums over some tokens, in the order of the fields."""
    r = x - x_hat
    squares, residual = np.square(x).sum(axis=1), np.square(r).sum(axis=1)
    centred = np.square(x - mean).sum(axis=1)
    norm, norm_hat = np.sqrt(squares), np.linalg.norm(x_hat, axis=1)
    dot = (x * x_hat).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (
            x.sum(axis=0),
            r.sum(axis=0),
            np.square(x).sum(axis=0),
            np.square(r).sum(axis=0),
            float(np.square(norm_hat).sum()),
            float(dot.sum()),
            float((1 - residual / centred).sum()),
            float((residual / squares).sum()),
            float(np.sqrt(residual).sum()),
            float((norm_hat / np.where(norm < SMALLEST_NORM, 1, norm)).sum()),
            float((dot / (norm * norm_hat)).sum()),
        )


def variants(batches: Sequence[BatchSums]) -> dict[str, float]:
    """Every figure by its name here, over at least one batch; NaN where it is undefined there.

    `pooled` and `mse` are this project's own formulas on the same tokens, to compare with.
    """
    total, d_in = sum(batch.n for batch in batches), batches[0].sum_x.size
    residual = [float(batch.r_squared.sum()) for batch in batches]
    squares = [float(batch.x_squared.sum()) for batch in batches]

    def mean_of_tokens(name: str) -> float:
        return sum(getattr(batch, name) for batch in batches) / total

    def mean_of_batches(values: Sequence[float]) -> float:
        return float(np.mean(values))

    with np.errstate(divide="ignore", invalid="ignore"):
        sum_x = np.sum([batch.sum_x for batch in batches], axis=0)
        by_dimension = np.sum([batch.x_squared for batch in batches], axis=0) - sum_x**2 / total
        residual_by_dimension = np.sum([batch.r_squared for batch in batches], axis=0)
        return {
            "pooled": 1 - np.float64(sum(residual)) / by_dimension.sum(),
            "mse": sum(residual) / total / d_in,
            "saelens_legacy": mean_of_tokens("token_variance"),
            "saelens_5": _saelens_5(batches, residual, squares, d_in),
            "dictionary_learning": mean_of_batches([_of_variances(batch) for batch in batches]),
            "sparsify": 1 - mean_of_batches([_fvu(batch) for batch in batches]),
            "openai": 1 - mean_of_tokens("token_nmse"),
            "by_dimension": float(np.mean(1 - residual_by_dimension / by_dimension)),
            "saelens_mse": sum(residual) / total,
            "saelens_5_mse": sum(r / batch.n for r, batch in zip(residual, batches, strict=True))
            / total,
            "l2_loss": mean_of_batches([batch.residual_norm / batch.n for batch in batches]),
            "norm_ratio": mean_of_tokens("norm_ratio"),
            "reconstruction_bias": mean_of_batches(
                [np.float64(batch.reconstruction_squared) / batch.dot for batch in batches]
            ),
            "cosine": mean_of_tokens("cosine"),
        }  # fmt: skip


def _saelens_5(
    batches: Sequence[BatchSums], residual: Sequence[float], squares: Sequence[float], d_in: int
) -> float:
    """Meant as 1 − MSE / Var. What it subtracts from E‖x‖² is not ‖E x‖² but the square of a single
    number, the mean over dimensions and batches of E x²: next to nothing, or anything.
    """
    mean_square = np.mean([s / batch.n for s, batch in zip(squares, batches, strict=True)])
    one_number = np.mean([batch.x_squared.mean() / batch.n for batch in batches])
    mean_residual = np.mean([r / batch.n for r, batch in zip(residual, batches, strict=True)])
    return float(1 - mean_residual / (mean_square - one_number**2))


def _of_variances(batch: BatchSums) -> float:
    """1 − Σ var(r) / Σ var(x): a constant error is none."""
    of_r = batch.r_squared - batch.sum_r**2 / batch.n
    of_x = batch.x_squared - batch.sum_x**2 / batch.n
    return float(1 - of_r.sum() / of_x.sum())


def _fvu(batch: BatchSums) -> float:
    of_x = batch.x_squared - batch.sum_x**2 / batch.n
    return float(batch.r_squared.sum() / of_x.sum())
