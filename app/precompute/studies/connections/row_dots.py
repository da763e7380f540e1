"""Products of rows of two matrices, pair by pair, without gathering the rows: compiled.

There are as many pairs as firings, and copying a decoder row for each takes most of the time of
what it is needed for. Works on float32 arrays of the CPU. Knows no dictionary.
"""

import numpy as np
from jaxtyping import Float32, Float64, Int64

from app.precompute.ranges.compiled import compiled

LANES = 8
"""Sums kept side by side, so that the processor need not wait for one to be ready"""


@compiled
def row_dots(
    left: Float32[np.ndarray, "n_left width"],
    right: Float32[np.ndarray, "n_right width"],
    left_row: Int64[np.ndarray, " n"],
    right_row: Int64[np.ndarray, " n"],
) -> Float64[np.ndarray, " n"]:
    """left[left_row[i]] · right[right_row[i]]."""
    width = left.shape[1]
    whole = width - width % LANES
    found = np.empty(len(left_row), np.float64)
    lanes = np.empty(LANES, np.float32)
    for i in range(len(left_row)):
        a, b = left[left_row[i]], right[right_row[i]]
        lanes[:] = 0
        for start in range(0, whole, LANES):
            for j in range(LANES):
                lanes[j] += a[start + j] * b[start + j]
        summed = np.float64(0)
        for j in range(LANES):
            summed += lanes[j]
        for k in range(whole, width):
            summed += a[k] * b[k]
        found[i] = summed
    return found
