"""Invented decoder rows, with what a geometry of directions is there to find.

Takes sizes and a seed, gives rows: most are random; some lie near feature 0 (a hub), some nearly
equal the feature before them, some are one coordinate with a little noise. The rows of a dictionary
whose hook an earlier one has as well are half of that one's, in another order. Knows no record.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray


def make_directions(
    n_features: int, d_in: int, seed: int, sae: int
) -> Float[ndarray, "n_features d_in"]:
    """Unit rows of the dictionary of that number; those two apart share a hook."""
    rng = np.random.default_rng([seed, sae, 3])
    rows = rng.standard_normal((n_features, d_in))
    rows[3::11] += 1.2 * rows[0]
    rows[9::17] = rows[8::17][: len(rows[9::17])] + 0.2 * rows[9::17]
    aligned = np.arange(5, n_features, 23)
    rows[aligned] *= 0.2
    rows[aligned, rng.integers(0, d_in, aligned.size)] += 4
    if sae >= 2:
        earlier = make_directions(n_features, d_in, seed, sae - 2)
        taken = rng.permutation(n_features)[: n_features // 2]
        noise = 0.05 * rng.standard_normal((taken.size, d_in))
        rows[rng.permutation(n_features)[: taken.size]] = earlier[taken] + noise
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
