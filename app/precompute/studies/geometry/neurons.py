"""How much of a direction is one neuron: the largest entries of its row.

Takes rows, gives shares as `app.stats.directions.entry_shares` defines them. Knows not what a
neuron is: at the hidden layer of an MLP an entry is one, in the residual stream it is a coordinate.
"""

from dataclasses import dataclass, fields

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
    whole = [np.concatenate([getattr(block, name.name) for block in blocks]) for name in _FIELDS]
    return Neurons(*whole)


_FIELDS = fields(Neurons)


def _of_block(rows: Float[Tensor, "n d_out"]) -> Neurons:
    size = rows.float().abs()
    top, index = size.topk(min(LARGEST, size.shape[1]), dim=1)
    total, length = size.sum(dim=1), size.norm(dim=1)
    shares = (top[:, 0] / total, top.sum(dim=1) / total, top[:, 0] / length)
    return Neurons(index[:, 0].int().cpu().numpy(), *(share.cpu().numpy() for share in shares))
