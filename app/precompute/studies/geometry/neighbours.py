"""Cosines of a range of directions to all directions of a dictionary, tile by tile.

Takes decoder rows; gives of each row of the range its nearest neighbour, the cosines to the 1st,
10th and 100th, and a spanning forest of the pairs that lie near. Memory: a tile of `ROWS` by
`COLUMNS` cosines, its near pairs (20 bytes each) and what is kept of a row, whatever the size of
the dictionary. Knows the weights and which features live, no text.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int32, Int64
from numpy import ndarray
from torch import Tensor

from app.db.study_records.geometry import NEAR
from app.precompute.studies.geometry.forest import Forest, spanning_forest
from app.precompute.studies.geometry.nearest import Nearest, unit, without_itself

ROWS, COLUMNS = 1024, 8192


@dataclass(frozen=True)
class Near:
    """Of the directions of a range."""

    nearest_index: Int32[ndarray, " n"]
    """−1 where there is no other"""
    cosine: Float32[ndarray, "ranks n"]
    forest: Forest
    n_pairs: Int64[ndarray, " thresholds"]
    """pairs (row of the range, later row), both living, at least as near as each of `NEAR`"""


def near_of_range(
    W_dec: Float[Tensor, "d_sae d_out"], part: tuple[int, int], living: Bool[ndarray, " d_sae"]
) -> Near:
    """Of the rows [first, stop): neighbours among all rows, near pairs among living ones.

    Ties of the nearest go to the lower row.
    """
    alive = torch.from_numpy(living).to(W_dec.device)
    found = [
        _near_of_block(W_dec, (start, min(start + ROWS, part[1])), alive)
        for start in range(*part, ROWS)
    ]
    return Near(
        np.concatenate([block.nearest_index for block in found]),
        np.concatenate([block.cosine for block in found], axis=1),
        spanning_forest(len(W_dec), [block.forest for block in found]),
        np.sum([block.n_pairs for block in found], axis=0),
    )


def _near_of_block(
    W_dec: Float[Tensor, "d_sae d_out"], part: tuple[int, int], alive: Bool[Tensor, " d_sae"]
) -> Near:
    first, stop = part
    rows, nearest = unit(W_dec[first:stop]), Nearest(stop - first, W_dec.device)
    forest, n_pairs = spanning_forest(len(W_dec), []), np.zeros(len(NEAR), np.int64)
    for start in range(0, len(W_dec), COLUMNS):
        last = min(start + COLUMNS, len(W_dec))
        cosine = without_itself(rows @ unit(W_dec[start:last]).T, first, start)
        nearest.add(cosine)
        if last > first and bool((cosine >= NEAR[0]).any()):
            pairs = _near_pairs(cosine, first, start, alive)
            forest = spanning_forest(len(W_dec), [forest, pairs])
            n_pairs += (pairs.cosine[:, None] >= np.array(NEAR, np.float32)).sum(axis=0)
    return Near(nearest.index(), nearest.cosine(), forest, n_pairs)


def _near_pairs(
    cosine: Float[Tensor, "rows columns"], first: int, start: int, alive: Bool[Tensor, " d_sae"]
) -> Forest:
    """Every pair (row, later column) of a tile that is near, both living."""
    n_rows, n_columns = cosine.shape
    near = (cosine >= NEAR[0]) & alive[first : first + n_rows, None]
    near &= alive[None, start : start + n_columns]
    row, column = near.nonzero(as_tuple=True)
    later = column + start > row + first
    row, column = row[later], column[later]
    return Forest(
        (row + first).cpu().numpy().astype(np.uint32),
        (column + start).cpu().numpy().astype(np.uint32),
        cosine[row, column].clamp(max=1).cpu().numpy().astype(np.float32),
    )
