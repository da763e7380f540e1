"""Which places of a ranking hold one of some features. Knows no ranking."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

Features = Mapping[int, Int[ndarray, " n"]]
"""Features by sae_id; a dictionary that isn't named has none."""


def among(
    features: Features,
    sae_ids: Sequence[int],
    number: Int[ndarray, " n"],
    feature_index: Int[ndarray, " n"],
) -> Bool[ndarray, " n"]:
    """Whether each row is one of the features.

    Args:
        number: of each row's dictionary in `sae_ids`.
    """
    kept = np.zeros(number.size, bool)
    for i, sae_id in enumerate(sae_ids):
        rows = number == i
        kept[rows] = np.isin(feature_index[rows], features.get(sae_id, ()))
    return kept
