"""What the study of geometry would find in invented decoder rows, from the rows themselves.

Takes rows and which features live; gives the study's record and its columns, by the definitions of
`app.stats.directions`. There are no activations, so chance is isotropic alone.
"""

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from app.db.study_records.geometry import NEAR, RANKS, Geometry, PairCosines, RandomDirections
from app.stats.directions import (
    entry_shares,
    nearest,
    pair_moments,
    spanning_pairs,
    times_nearest,
    unit_rows,
)

_BLOCK = 512
_ASKED = 2048

Columns = dict[str, Float[ndarray, " n"]]


def make_geometry(
    rows: Float[ndarray, "n d_in"],
    living: Bool[ndarray, " n"],
    dense: Bool[ndarray, " n"],
    seed: int,
) -> tuple[Geometry, Columns]:
    """(the record, the columns of the features)."""
    index, cosine = nearest(rows, RANKS)
    first, second, near = _near_pairs(unit_rows(rows), living)
    kept = spanning_pairs(first, second, near)
    neuron, shares = entry_shares(rows)
    found = Geometry(
        d_out=rows.shape[1],
        nearest_index=index.astype(np.int32),
        cosine=cosine.astype(np.float32),
        neuron_index=neuron.astype(np.int32),
        neuron_cosine=shares[2].astype(np.float32),
        neuron_share_10=shares[1].astype(np.float32),
        pairs=_pairs(rows[dense]),
        near_first=first[kept].astype(np.uint32),
        near_second=second[kept].astype(np.uint32),
        near_cosine=near[kept].astype(np.float32),
        n_near_pairs=[int((near >= each).sum()) for each in NEAR],
        random=[_chance(len(rows), rows.shape[1], seed)],
        covariance_tokens=0,
        covariance_contexts=0,
    )
    columns = {
        "nearest_cosine": cosine[0],
        "times_nearest": times_nearest(index, living),
        "neuron_share": shares[0],
        "encoder_norm": np.random.default_rng([seed, 5]).uniform(0.7, 1.6, len(rows)),
    }
    return found, columns


def _near_pairs(
    unit: Float[ndarray, "n d_in"], living: Bool[ndarray, " n"]
) -> tuple[ndarray, ndarray, ndarray]:
    """(first, second, cosine) of the pairs of living rows above the floor."""
    found = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    for start in range(0, len(unit), _BLOCK):
        cosine = unit[start : start + _BLOCK] @ unit.T
        a, b = np.nonzero(cosine >= NEAR[0])
        later = (b > a + start) & living[a + start] & living[b]
        a, b = a[later], b[later]
        found.append((a + start, b, cosine[a, b]))
    first, second, near = (np.concatenate(column) for column in zip(*found, strict=True))
    return first, second, near


def _pairs(rows: Float[ndarray, "n d_in"]) -> PairCosines:
    unit = unit_rows(rows)
    sums = float(np.square(unit.sum(axis=0)).sum()), float(np.square(unit.T @ unit).sum())
    return PairCosines(len(rows), *pair_moments(len(rows), *sums))


def _chance(n: int, d_in: int, seed: int) -> RandomDirections:
    rows = np.random.default_rng([seed, 4]).standard_normal((min(n, _ASKED), d_in))
    index, cosine = nearest(rows, RANKS)
    most = int(np.bincount(index[index >= 0], minlength=1).max())
    share = entry_shares(rows)[1][0].astype(np.float32)
    return RandomDirections(
        "isotropic", len(rows), len(rows), cosine.astype(np.float32), most, share, _pairs(rows)
    )
