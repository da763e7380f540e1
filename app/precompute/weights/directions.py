"""The decoder directions as an atlas keeps them: unit rows in half precision, block by block.

Takes decoder rows, gives the blocks of `app.db.directions`. A cosine of two stored rows is off by
less than 0.001. Knows the weights alone.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Float16
from numpy import ndarray
from torch import Tensor

from app.db.directions import ROWS_PER_BLOCK

_BYTES = 2
_MEGABYTE = 2**20


def kept(W_dec: Float[Tensor, "d_sae d_in"], megabytes: int) -> bool:
    """Whether all rows together are small enough to be kept."""
    return W_dec.numel() * _BYTES <= megabytes * _MEGABYTE


def unit_rows(W_dec: Float[Tensor, "d_sae d_in"]) -> Iterator[Float16[ndarray, "rows d_in"]]:
    """Rows of length 1 in feature order; a row of zeros stays zero."""
    for start in range(0, len(W_dec), ROWS_PER_BLOCK):
        rows = W_dec[start : start + ROWS_PER_BLOCK].float()
        yield torch.nn.functional.normalize(rows, dim=1).half().cpu().numpy()
