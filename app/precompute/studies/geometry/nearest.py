"""The highest cosines of directions to many others, which come tile by tile.

Takes tiles of cosines; gives of each row the column of the highest and the values of three ranks.
Memory: a hundred values a row. Knows not what the directions are.
"""

import numpy as np
import torch
from jaxtyping import Float, Float32, Int32
from numpy import ndarray
from torch import Tensor

from app.db.study_records.geometry import RANKS


class Nearest:
    """Of `n` rows, each itself among the columns, where its value is −∞."""

    def __init__(self, n: int, device: torch.device) -> None:
        self._n_columns = 0
        self._top = torch.empty(n, 0, device=device)
        self._best = torch.full((n,), -torch.inf, device=device)
        self._index = torch.full((n,), -1, dtype=torch.long, device=device)

    def add(self, cosine: Float[Tensor, "n columns"]) -> None:
        """Takes in the next columns."""
        best, index = cosine.max(dim=1).values, cosine.argmax(dim=1)
        better = best > self._best
        self._index = torch.where(better, index + self._n_columns, self._index)
        self._best = torch.where(better, best, self._best)
        self._n_columns += cosine.shape[1]
        top = cosine.topk(min(max(RANKS), cosine.shape[1]), dim=1).values
        both = torch.cat([self._top, top], dim=1)
        self._top = both.topk(min(max(RANKS), both.shape[1]), dim=1).values

    def index(self) -> Int32[ndarray, " n"]:
        """The column of each row's highest value, the lowest of equal ones; −1 for none."""
        return self._index.cpu().numpy().astype(np.int32)

    def cosine(self) -> Float32[ndarray, "ranks n"]:
        """The values of the ranks; NaN where there were fewer other columns."""
        found = np.full((len(RANKS), len(self._top)), np.nan, np.float32)
        for place, rank in enumerate(RANKS):
            if rank < self._n_columns:
                found[place] = self._top[:, rank - 1].clamp(-1, 1).cpu().numpy()
        return found


def unit(rows: Float[Tensor, "n d_out"]) -> Float[Tensor, "n d_out"]:
    """Rows of length 1 in float32; one of zeros stays zero."""
    return torch.nn.functional.normalize(rows.float(), dim=1)


def without_itself(
    cosine: Float[Tensor, "rows columns"], first: int, start: int
) -> Float[Tensor, "rows columns"]:
    """The tile of rows `first` … and columns `start` … with −∞ where a row meets itself."""
    n_rows, n_columns = cosine.shape
    own = torch.arange(
        max(first, start), max(first, start, min(first + n_rows, start + n_columns))
    ).to(cosine.device)
    cosine[own - first, own - start] = -torch.inf
    return cosine
