"""Ratios of sums over contexts, with standard errors that take the context as what was sampled.

Tokens of one context go together, so errors over tokens alone would be too small. Takes sums by
context, gives numbers. The error is that of a ratio estimator by linearisation (Cochran, "Sampling
Techniques", 1977, section 6.4, without the correction for a finite population). Knows no model.
"""

import numpy as np
from jaxtyping import Float64
from numpy import ndarray


def ratio(
    numerator: Float64[ndarray, "*shape n_contexts"], denominator: Float64[ndarray, " n_contexts"]
) -> tuple[Float64[ndarray, "*shape"], Float64[ndarray, "*shape"]]:
    """R = Σ a_c / Σ b_c, and its error √(C / (C − 1) · Σ (a_c − R b_c)²) / |Σ b_c|.

    NaN where Σ b_c is 0; the error is NaN for a single context. C counts contexts with a token: the
    caller leaves the others out.
    """
    total, n_contexts = denominator.sum(), denominator.size
    if total == 0:
        return _undefined(numerator), _undefined(numerator)
    value = np.asarray(numerator.sum(axis=-1) / total)
    if n_contexts < 2:
        return value, _undefined(numerator)
    residual = np.square(numerator - value[..., None] * denominator).sum(axis=-1)
    return value, np.asarray(np.sqrt(residual * n_contexts / (n_contexts - 1)) / abs(total))


def _undefined(numerator: Float64[ndarray, "*shape n_contexts"]) -> Float64[ndarray, "*shape"]:
    return np.full(numerator.shape[:-1], np.nan)
