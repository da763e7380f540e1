"""Nearest features of every feature by cosine of their decoder rows, and encoder–decoder cosines.

Blocks of rows against all of them: memory is a block times d_sae, never the full matrix. Knows the
weights alone.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor


def nearest_features(
    W_dec: Float[Tensor, "d_sae d_out"],
    k: int = 10,
    rows_at_once: int = 1024,
    part: tuple[int, int] | None = None,
) -> Iterator[tuple[Int[Tensor, "rows k"], Float[Tensor, "rows k"]]]:
    """Blocks of (feature_index, signed cosine) in feature order, nearest first, self excluded.

    `part`: of the features [first, stop) alone; every feature may be a neighbour all the same.
    Ties go to the lower feature_index. A dictionary of fewer than k + 1 features gives fewer
    columns; a feature whose decoder row is zero has cosine 0 to every other.
    """
    directions = torch.nn.functional.normalize(W_dec.float(), dim=1)
    k = min(k, len(directions) - 1)
    first, stop = part or (0, len(directions))
    for start in range(first, stop, rows_at_once):
        cosine = directions[start : min(start + rows_at_once, stop)] @ directions.T
        rows = torch.arange(len(cosine), device=cosine.device)
        cosine[rows, rows + start] = -torch.inf
        yield _top_k_lowest_first(cosine, k)


def encoder_decoder_cosine(
    W_enc: Float[Tensor, "d_in d_sae"], W_dec: Float[Tensor, "d_sae d_in"]
) -> Float[Tensor, " d_sae"]:
    """cos(W_enc[:, f], W_dec[f]) of every feature of an autoencoder."""
    return torch.nn.functional.cosine_similarity(W_enc.float().T, W_dec.float(), dim=1)


def _top_k_lowest_first(
    values: Float[Tensor, "rows n"], k: int
) -> tuple[Int[Tensor, "rows k"], Float[Tensor, "rows k"]]:
    """Top k of every row with ties to the lower index, which `torch.topk` leaves open."""
    if k <= 0:
        empty = values[:, :0]
        return empty.long(), empty
    threshold = values.topk(k, dim=1).values[:, -1:]
    # Values above the k-th are in for certain; of those equal to it the lowest indices fill up.
    above = values > threshold
    equal = values == threshold
    room = k - above.sum(dim=1, keepdim=True)
    chosen = above | (equal & (equal.cumsum(dim=1) <= room))
    index = chosen.nonzero()[:, 1].reshape(-1, k)
    found = values.gather(1, index)
    order = found.sort(dim=1, descending=True, stable=True).indices
    return index.gather(1, order), found.gather(1, order)
