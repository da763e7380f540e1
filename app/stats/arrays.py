"""The few array moves the statistics are built of: stable sort, the largest k, ragged ranges.

Takes and gives numpy arrays only. Knows nothing of features, tokens or contexts.
"""

import numpy as np
from jaxtyping import Int64, Num, UInt


def radix_argsort(keys: UInt[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """Indices that sort unsigned integers ascending, equal keys in the order they came in.

    One stable pass per 16 bits that are in use, because numpy's stable sort of 16-bit integers is
    a radix sort: several times faster than comparing.
    """
    if keys.size == 0:
        return np.zeros(0, dtype=np.int64)
    largest = int(keys.max())
    order = np.argsort((keys & 0xFFFF).astype(np.uint16), kind="stable")
    shift = 16
    while largest >> shift:
        digit = ((keys >> keys.dtype.type(shift)) & 0xFFFF).astype(np.uint16)
        order = order[np.argsort(digit[order], kind="stable")]
        shift += 16
    return order


def ascending_order(values: Num[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """Indices that sort positive float32 values ascending, equal values in the order they came in.

    The bits of positive IEEE floats are ordered as the floats are, so integers can be sorted.
    """
    return radix_argsort(np.ascontiguousarray(values, dtype=np.float32).view(np.uint32))


def strongest(values: Num[np.ndarray, " n"], k: int) -> Int64[np.ndarray, " k"]:
    """Indices of the `k` largest values (all, if fewer), by (value descending, index ascending)."""
    n = values.size
    if k == 0:
        return np.zeros(0, dtype=np.int64)
    if k < n:
        threshold = np.partition(values, n - k)[n - k]
        above = np.flatnonzero(values > threshold)
        level = np.flatnonzero(values == threshold)[: k - above.size]
        kept = np.concatenate([above, level])
    else:
        kept = np.arange(n)
    return kept[np.lexsort((kept, -values[kept].astype(np.float64)))]


def smallest_keys(keys: UInt[np.ndarray, " n"], k: int, bound: int) -> Int64[np.ndarray, " m"]:
    """Indices of the `k` smallest of distinct keys (all, if fewer), ascending by key.

    Fast where the keys are spread over [0, bound): about 2k of them lie below 2k/n of it, and
    picking those is one comparison each. Right for any keys.
    """
    if k < keys.size:
        kept = np.flatnonzero(keys < keys.dtype.type(min(2 * k * bound // keys.size, bound - 1)))
        if kept.size < k:
            kept = np.argpartition(keys, k)[:k]
    else:
        kept = np.arange(keys.size)
    return kept[np.argsort(keys[kept])[:k]]


def ragged_ranges(
    starts: Int64[np.ndarray, " rows"], lengths: Int64[np.ndarray, " rows"]
) -> Int64[np.ndarray, " total"]:
    """All indices of the ranges [start, start + length), one range after the other."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if ends.size else 0
    return np.repeat(starts - (ends - lengths), lengths) + np.arange(total, dtype=np.int64)


def offsets(counts: Int64[np.ndarray, " rows"]) -> Int64[np.ndarray, " rows_plus_one"]:
    """Where each of `rows` consecutive groups begins, and the end of the last one."""
    indptr = np.zeros(counts.size + 1, dtype=np.int64)
    np.cumsum(counts, out=indptr[1:])
    return indptr
