"""Each token's strongest features by one score: how such a ranking lies in memory.

Knows not what a score means nor how it was found.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int32, Int64


@dataclass(frozen=True)
class Ranking:
    """Rows [indptr[t], indptr[t + 1]) are token t's: by (score descending, feature_index)."""

    indptr: Int64[np.ndarray, " d_vocab_plus_one"]
    feature_index: Int32[np.ndarray, " n"]
    score: Float[np.ndarray, " n"]
    n_active: Int32[np.ndarray, " n"]  # firings of the feature on the token; 0 for dense scores
    share: Float64[np.ndarray, " n"]  # of the feature's activation mass; 0 for dense scores
    n_features: Int64[np.ndarray, " d_vocab"]  # that had a score for the token, kept or not

    def of(self, token_id: int) -> tuple[Int32[np.ndarray, " m"], Float[np.ndarray, " m"]]:
        """(features, scores) of one token, strongest first."""
        rows = slice(self.indptr[token_id], self.indptr[token_id + 1])
        return self.feature_index[rows], self.score[rows]
