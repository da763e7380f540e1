"""How much of a direction is one neuron: the largest entries of its row.

Takes rows, gives shares as `app.stats.directions.entry_shares` defines them. Knows not what a
neuron is: at the hidden layer of an MLP an entry is one, in the residual stream it is a coordinate.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int32
from numpy import ndarray
from torch import Tensor

LARGEST = 10
_ROWS = 4096


@dataclass(frozen=True)
class Neurons:
    """NaN for rows of zeros."""

    index: Int32[ndarray, " n"]
    """place of the largest entry by size"""
    share: Float32[ndarray, " n"]
    """its share of the L1 norm"""
    share_10: Float32[ndarray, " n"]
    """that of the ten largest"""
    cosine: Float32[ndarray, " n"]
    """its share of the length"""


def neurons_of(rows: Float[Tensor, "n d_out"]) -> Neurons:
    """Of every row. Memory: the result and 4,096 rows."""
    blocks = [_of_block(rows[start : start + _ROWS]) for start in range(0, len(rows), _ROWS)]
    index, *shares = (np.concatenate(column) for column in zip(*blocks, strict=True))
    return Neurons(index.astype(np.int32), *(share.astype(np.float32) for share in shares))


def _of_block(rows: Float[Tensor, "n d_out"]) -> tuple[ndarray, ndarray, ndarray, ndarray]:
    size = rows.float().abs()
    top, index = size.topk(min(LARGEST, size.shape[1]), dim=1)
    total, length = size.sum(dim=1), size.norm(dim=1)
    shares = (top[:, 0] / total, top.sum(dim=1) / total, top[:, 0] / length)
    return index[:, 0].cpu().numpy(), *(share.cpu().numpy() for share in shares)
