"""The loops over activations that are compiled: picking the few that exceed their floor, and
putting them into another order by counting.

Work on float32 arrays of the CPU; other devices have `firings`' own way. Know no dictionary.
"""

import numpy as np
from jaxtyping import Float32, Int64, UInt

from app.precompute.ranges.compiled import compiled

LANES = 64
"""Values compared together: nearly all lie below their floor, and so do most groups as a whole."""


@compiled
def select_above(
    values: Float32[np.ndarray, "features rows"],
    feature_bias: Float32[np.ndarray, " features"],
    feature_floor: Float32[np.ndarray, " features"],
    row_floor: Float32[np.ndarray, " rows"],
    first_feature: int,
    feature: Int64[np.ndarray, " capacity"],
    row: Int64[np.ndarray, " capacity"],
    value: Float32[np.ndarray, " capacity"],
    used: int,
) -> int:
    """Appends (first_feature + i, j, v), v = values[i, j] + feature_bias[i], where v − row_floor[j]
    exceeds feature_floor[i], by i, then j; one of the two floors is zero everywhere, which makes
    that exact.

    Returns how many of the last three arrays are used then; there must be room for all values.
    """
    n_features, n_rows = values.shape
    whole = n_rows - n_rows % LANES
    for i in range(n_features):
        line, bias, floor = values[i], feature_bias[i], feature_floor[i]
        for start in range(0, whole, LANES):
            n_above = np.int32(0)
            for j in range(LANES):
                n_above += np.int32((line[start + j] + bias) - row_floor[start + j] > floor)
            j = start
            while n_above > 0:
                found = line[j] + bias
                if found - row_floor[j] > floor:
                    feature[used], row[used], value[used] = first_feature + i, j, found
                    used += 1
                    n_above -= 1
                j += 1
        for j in range(whole, n_rows):
            found = line[j] + bias
            if found - row_floor[j] > floor:
                feature[used], row[used], value[used] = first_feature + i, j, found
                used += 1
    return used


@compiled
def order_by_row(row: Int64[np.ndarray, " n"], n_rows: int) -> Int64[np.ndarray, " n"]:
    """Indices that sort by row, those of one row in the order they came in: by counting."""
    following = np.zeros(n_rows + 1, np.int64)
    for i in range(len(row)):
        following[row[i] + 1] += 1
    for i in range(n_rows):
        following[i + 1] += following[i]
    order = np.empty(len(row), np.int64)
    for i in range(len(row)):
        order[following[row[i]]] = i
        following[row[i]] += 1
    return order


@compiled
def append_runs(
    counts: Int64[np.ndarray, " n_features"],
    token: UInt[np.ndarray, " n"],
    activation: Float32[np.ndarray, " n"],
    following: Int64[np.ndarray, " n_features"],
    all_tokens: UInt[np.ndarray, " total"],
    all_activations: Float32[np.ndarray, " total"],
) -> None:
    """Puts each feature's run of events behind those it has; `following` is where, and moves on."""
    begin = 0
    for feature in range(len(counts)):
        place = following[feature]
        for i in range(counts[feature]):
            all_tokens[place + i] = token[begin + i]
            all_activations[place + i] = activation[begin + i]
        following[feature] = place + counts[feature]
        begin += counts[feature]
