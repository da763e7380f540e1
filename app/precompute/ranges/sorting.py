"""Sorting and summing inside compiled loops: stable radix orders, and sums as numpy takes them.

Takes arrays and scratch space of the caller's, allocates nothing per call. Knows no feature.
"""

import numpy as np
from jaxtyping import Float64, Int32, UInt32

from app.precompute.ranges.compiled import compiled

_FEW = 48  # fewer are sorted faster by insertion than by counting digits


@compiled
def ascending(
    keys: UInt32[np.ndarray, " n"],
    order: Int32[np.ndarray, " n"],
    scratch: Int32[np.ndarray, " n"],
    digits: Int32[np.ndarray, "4 256"],
) -> None:
    """Fills `order` with the indices that sort `keys` ascending, equal keys in the order given."""
    n = keys.size
    if n <= _FEW:
        for i in range(n):
            j = i
            while j > 0 and keys[order[j - 1]] > keys[i]:
                order[j] = order[j - 1]
                j -= 1
            order[j] = i
        return
    digits[:] = 0
    for i in range(n):
        key = keys[i]
        digits[0, key & 255] += 1
        digits[1, (key >> 8) & 255] += 1
        digits[2, (key >> 16) & 255] += 1
        digits[3, key >> 24] += 1
    for i in range(n):
        order[i] = i
    moved = 0
    for turn in range(4):
        shift = np.uint32(8 * turn)
        if digits[turn, (keys[0] >> shift) & 255] == n:
            continue  # all keys share this digit
        total = 0
        for digit in range(256):
            count = digits[turn, digit]
            digits[turn, digit] = total
            total += count
        source, target = (order, scratch) if moved % 2 == 0 else (scratch, order)
        for i in range(n):
            item = source[i]
            digit = (keys[item] >> shift) & 255
            target[digits[turn, digit]] = item
            digits[turn, digit] += 1
        moved += 1
    if moved % 2:
        for i in range(n):
            order[i] = scratch[i]


@compiled
def descending_mass(
    mass: Float64[np.ndarray, " n"],
    keys: UInt32[np.ndarray, " n"],
    order: Int32[np.ndarray, " n"],
    scratch: Int32[np.ndarray, " n"],
    digits: Int32[np.ndarray, "4 256"],
) -> None:
    """Fills `order` with the indices that sort positive masses descending, ties by index.

    Sorted by the upper half of the bits, then put right by insertion where those are equal.
    """
    bits = mass.view(np.uint64)
    for i in range(mass.size):
        keys[i] = np.uint32(0xFFFFFFFF) - np.uint32(bits[i] >> np.uint64(32))
    ascending(keys, order, scratch, digits)
    for i in range(1, mass.size):
        item = order[i]
        j = i
        while j > 0 and mass[order[j - 1]] < mass[item]:
            order[j] = order[j - 1]
            j -= 1
        order[j] = item


@compiled
def pairwise_sum(values: Float64[np.ndarray, " n"]) -> float:
    """The sum in the order of additions that `numpy.sum` has, so that results are the same bits."""
    n = values.size
    if n < 8:
        total = 0.0
        for i in range(n):
            total += values[i]
        return total
    if n > 128:
        half = n // 2
        half -= half % 8
        return pairwise_sum(values[:half]) + pairwise_sum(values[half:])
    a, b, c, d = values[0], values[1], values[2], values[3]
    e, f, g, h = values[4], values[5], values[6], values[7]
    whole = n - n % 8
    for i in range(8, whole, 8):
        a += values[i]
        b += values[i + 1]
        c += values[i + 2]
        d += values[i + 3]
        e += values[i + 4]
        f += values[i + 5]
        g += values[i + 6]
        h += values[i + 7]
    total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for i in range(whole, n):
        total += values[i]
    return total
