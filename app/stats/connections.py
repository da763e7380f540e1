"""Connections of one feature to those below: the strongest of them, and shares that sum to one.

Takes sums of contributions over examples; gives what is kept. Also how well contributions predict
what removals do. Numpy only; knows no model.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, Integer


@dataclass(frozen=True)
class Strongest:
    """The upstream features that are kept, and what the others make together."""

    entry: Int64[np.ndarray, " n"]
    """which of those given: the positive ones from the largest down, then the negative ones to the
    most negative"""
    rest_positive: float
    n_rest_positive: int
    rest_negative: float
    n_rest_negative: int


@dataclass(frozen=True)
class Prediction:
    """How well predicted changes agree with real ones; None where undefined."""

    n: int
    correlation: float | None
    """Pearson's"""
    slope: float | None
    """of the real change on the predicted one, through the origin"""
    same_sign: float | None
    """share of changes that have the sign predicted, of those predicted to be other than 0"""


def strongest(
    feature_index: Integer[np.ndarray, " n"], total: Float64[np.ndarray, " n"], kept: int
) -> Strongest:
    """At most `kept` of each sign, ties to the lower feature_index."""
    order = np.lexsort((feature_index, -total))
    positive = order[total[order] > 0]
    negative = np.lexsort((feature_index, total))
    negative = negative[total[negative] < 0]
    left_positive, left_negative = positive[kept:], negative[kept:]
    return Strongest(
        entry=np.concatenate([positive[:kept], negative[:kept][::-1]]).astype(np.int64),
        rest_positive=float(total[left_positive].sum()),
        n_rest_positive=len(left_positive),
        rest_negative=float(total[left_negative].sum()),
        n_rest_negative=len(left_negative),
    )


def judged(predicted: Float64[np.ndarray, " n"], real: Float64[np.ndarray, " n"]) -> Prediction:
    """The agreement of changes predicted and measured."""
    n = len(predicted)
    told = predicted != 0
    squared = float(predicted @ predicted)
    varies = n > 1 and np.ptp(predicted) > 0 and np.ptp(real) > 0
    return Prediction(
        n=n,
        correlation=float(np.corrcoef(predicted, real)[0, 1]) if varies else None,
        slope=float(predicted @ real) / squared if squared > 0 else None,
        same_sign=float((np.sign(predicted) == np.sign(real))[told].mean()) if told.any() else None,
    )
