"""Best matches between two sets of directions, both ways in one pass over their cosines.

Takes blocks of unit rows; gives for a range of the first set the nearest of the second, and for
each of the second the nearest in that range. Memory: a tile of cosines and two numbers for each
row. Knows no dictionary.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int32
from numpy import ndarray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

Block = Callable[[int, int], Float[Tensor, "rows d_out"]]

ROWS, COLUMNS = 1024, 8192


@dataclass(frozen=True)
class Best:
    """The nearest of the other set, and its cosine; −1 and −∞ where nothing was looked at."""

    index: Int32[ndarray, " n"]
    cosine: Float32[ndarray, " n"]


def best_of_range(
    first: Block, part: tuple[int, int], second: Block, n_second: int
) -> tuple[Best, Best]:
    """(of the rows [start, stop) of the first among all of the second, of all rows of the second
    among these); ties go to the lower row."""
    forward, backward = list[Best](), nothing(n_second)
    for start in range(*part, ROWS):
        stop = min(start + ROWS, part[1])
        rows, found = first(start, stop), nothing(stop - start)
        tiles = list[Best]()
        for at in range(0, n_second, COLUMNS):
            cosine = rows @ second(at, min(at + COLUMNS, n_second)).T
            found = nearer(found, _highest(cosine, at))
            tiles.append(_highest(cosine.T, start))
        backward = nearer(backward, joined(tiles))
        forward.append(found)
    return joined(forward), backward


def nearer(found: Best, later: Best) -> Best:
    """Row by row the nearer of two matches; of equally near ones the first."""
    better = later.cosine > found.cosine
    return Best(
        np.where(better, later.index, found.index), np.where(better, later.cosine, found.cosine)
    )


def joined(parts: Sequence[Best]) -> Best:
    """One range behind the other."""
    return Best(
        np.concatenate([part.index for part in parts]),
        np.concatenate([part.cosine for part in parts]),
    )


def nothing(n: int) -> Best:
    """Before anything was looked at."""
    return Best(np.full(n, -1, np.int32), np.full(n, -np.inf, np.float32))


def one_to_one(
    first: Float[Tensor, "n d_out"],
    second: Float[Tensor, "m d_out"],
    living: tuple[Bool[ndarray, " n"], Bool[ndarray, " m"]],
) -> Best:
    """Of the first: its partner in the matching of living rows, each used once, with the largest
    sum of cosines (the Hungarian problem, solved exactly by Jonker and Volgenant's algorithm);
    −1 and NaN without one.

    Memory: the whole matrix of living rows in float64; time grows with its cube.
    """
    rows, columns = (np.flatnonzero(alive) for alive in living)
    cosine = (first[torch.from_numpy(rows)] @ second[torch.from_numpy(columns)].T).cpu().numpy()
    chosen, partner = linear_sum_assignment(cosine, maximize=True)
    found = Best(np.full(len(first), -1, np.int32), np.full(len(first), np.nan, np.float32))
    found.index[rows[chosen]] = columns[partner]
    found.cosine[rows[chosen]] = np.minimum(cosine[chosen, partner], 1)
    return found


def _highest(cosine: Float[Tensor, "n columns"], start: int) -> Best:
    """Of each row; the columns are those from `start` on. Of equal values the first."""
    best, index = cosine.max(dim=1).values, cosine.argmax(dim=1)
    return Best(
        (index + start).cpu().numpy().astype(np.int32),
        best.clamp(-1, 1).cpu().numpy().astype(np.float32),
    )
