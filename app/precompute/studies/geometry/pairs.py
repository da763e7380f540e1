"""Mean and variance of the cosines of all pairs, from sums of rows: no cosine is ever formed.

The sum of u·v over all pairs is ‖Σu‖², and that of (u·v)² is ‖Σ u uᵀ‖², the squared Frobenius norm
of a matrix of d × d. Its columns are summed a block at a time, so that memory is a block of rows
and d × `WIDTH` numbers. float64 throughout. Knows not what the rows are.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from app.db.study_records.geometry import PairCosines
from app.stats.directions import pair_moments

WIDTH = 1024
"""Columns of the Gram matrix that are summed at once."""


class PairSums:
    """The sums of rows that come block by block."""

    def __init__(self, d_out: int, columns: tuple[int, int] | None = None) -> None:
        """`columns`: of the Gram matrix, the only ones summed; all by default."""
        self._columns = slice(*(columns or (0, d_out)))
        width = self._columns.stop - self._columns.start
        self._sum = torch.zeros(width, dtype=torch.float64)
        self._gram = torch.zeros(d_out, width, dtype=torch.float64)
        self._n = 0

    def add(self, rows: Float[Tensor, "n d_out"]) -> None:
        """Takes in rows of any length; those of zeros are no directions and left out."""
        exact = _exact(rows)
        norms = exact.norm(dim=1)
        directions = exact[norms > 0] / norms[norms > 0, None]
        own = directions[:, self._columns]
        self._sum = self._sum.to(own.device) + own.sum(dim=0)
        self._gram = self._gram.to(own.device).addmm_(directions.T, own)
        self._n += len(directions)

    @property
    def found(self) -> tuple[int, float, float]:
        """(directions, ‖Σu‖², ‖Σ u uᵀ‖²) of the columns summed."""
        return self._n, float(self._sum.square().sum()), float(self._gram.square().sum())


def pair_cosines(parts: Iterable[tuple[int, float, float]]) -> PairCosines:
    """Of the sums over all columns, a block of them each."""
    counts, sums, grams = zip(*parts, strict=True)
    return PairCosines(counts[0], *pair_moments(counts[0], sum(sums), sum(grams)))


def _exact(rows: Float[Tensor, "n d_out"]) -> Float64[Tensor, "n d_out"]:
    """In float64, which Apple's GPUs lack."""
    return (rows.cpu() if rows.device.type == "mps" else rows).double()
