"""Conjunction or alternative: what the strongest interaction of two tokens says.

Takes interactions Δ(i, j) − Δ(i) − Δ(j) of `hidden_pre`, gives the strongest one and a word: of an
example, or of a feature by the mean over its examples. Knows no text.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float

Kind = Literal["", "alternative", "conjunction"]

STRONG = 0.25
"""Share of the unchanged |`hidden_pre`| from which an interaction counts."""


def strongest_pair(
    interactions: Float[np.ndarray, "n n"], hidden_pre: float
) -> tuple[int, int, float]:
    """(i, j, interaction as a share of |hidden_pre|), i < j; NaN where there is no pair.

    Ties go to the pair that comes first.
    """
    rows, columns = np.triu_indices(len(interactions), k=1)
    if not rows.size or not hidden_pre:
        return -1, -1, float("nan")
    values = interactions[rows, columns].astype(np.float64) / abs(hidden_pre)
    most = int(np.argmax(np.abs(values)))
    return int(rows[most]), int(columns[most]), float(values[most])


def kind_of(share: float) -> Kind:
    """Alternative: either of the two suffices (deleting both costs more than each alone says).
    Conjunction: the loss of one already takes all."""
    if share <= -STRONG:
        return "alternative"
    return "conjunction" if share >= STRONG else ""
