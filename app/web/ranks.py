"""Where a value stands among the living features of its dictionary.

Takes the columns of a whole dictionary, keeps some of them sorted. Knows no query.
"""

import numpy as np

from app.db.columns import FeatureColumns

RANKED = (
    "density",
    "max_activation",
    "context_share",
    "top_token_share",
    "run_length",
    "n_contexts_active",
    "skewness",
    "kurtosis",
    "max_logit",
)


class Ranks:
    """Sorted columns of one dictionary, dead features left out."""

    def __init__(self, columns: FeatureColumns) -> None:
        living = columns.living
        self._sorted = {
            name: np.sort(columns[name][living & np.isfinite(columns[name])]) for name in RANKED
        }

    def share_below(self, column: str, value: float | None) -> float | None:
        """Share of the other living features with a smaller value, half of the ties counted;
        None without a value or without others to compare with.
        """
        ordered = self._sorted[column]
        if value is None or not np.isfinite(value) or ordered.size < 2:
            return None
        below = np.searchsorted(ordered, value, "left")
        equal = np.searchsorted(ordered, value, "right") - below
        return min(1.0, float((below + max(equal - 1, 0) / 2) / (ordered.size - 1)))
