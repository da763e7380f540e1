"""Small lists kept in order while a loop runs: the smallest hashes, one a context.

The list always holds the best `k` seen so far, so that it can be read after any number of offers.
Knows no feature.
"""

import numpy as np
from jaxtyping import Int32, UInt64

from app.precompute.ranges.compiled import compiled


@compiled
def offer(
    hashes: UInt64[np.ndarray, " k"],
    contexts: Int32[np.ndarray, " k"],
    items: np.ndarray,
    count: int,
    hashed: np.uint64,
    context: int | np.int64,
    item: int | np.int64,
) -> int:
    """Takes in an item if its hash is among the `k` smallest, one a context; the new length.

    A context pushed out has only larger hashes than all that stay, so it never has to come back.
    """
    k = hashes.size
    if k == 0 or (count == k and hashed >= hashes[k - 1]):
        return count
    at = -1
    for i in range(count):
        if contexts[i] == context:
            if hashes[i] <= hashed:
                return count
            at = i
            break
    if at < 0:
        if count < k:
            count += 1
        at = count - 1
    while at > 0 and hashes[at - 1] > hashed:
        hashes[at], contexts[at], items[at] = hashes[at - 1], contexts[at - 1], items[at - 1]
        at -= 1
    hashes[at], contexts[at], items[at] = hashed, context, item
    return count
