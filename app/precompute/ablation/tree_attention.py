"""Many continuations of one text in one row: the trunk once, every tail after it.

A tail token sees its part of the trunk and the tail tokens before it, nothing of other tails; its
position id is what it would be in a text of its own. Takes trunks with tails and gives the
activations at the tails' last tokens. Knows nothing of what the tails are, nor whether a model
honours the mask.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Integer
from torch import Tensor

from app.precompute.model.model import Model

TAIL_TOKENS = 320
"""Tail tokens beside one trunk: more make attention dearer, fewer repeat the trunk more often."""

Tails = Sequence[tuple[int, Integer[np.ndarray, " _n_tail"]]]
"""(attach, tail): the tail follows `trunk[:attach]`."""


class TreeRefusedError(Exception):
    """The model has no use for a mask or positions of its caller's; the text says what it said."""


@dataclass(frozen=True, slots=True)
class Tree:
    """One row of a batch; all arrays are per token of the row."""

    token: Integer[np.ndarray, " n_tokens"]
    position: Integer[np.ndarray, " n_tokens"]
    """Natural position of the token in its own text."""
    segment: Integer[np.ndarray, " n_tokens"]
    """0 in the trunk, 1, 2, … in the tails."""
    attach: Integer[np.ndarray, " n_tokens"]
    """Trunk tokens that a tail token sees; 0 in the trunk, which sees itself causally."""
    last: Integer[np.ndarray, " n_tails"]
    """Where each tail ends in the row."""
    branch_index: Integer[np.ndarray, " n_tails"]
    """Which branch each tail is, counted over all trunks."""

    @property
    def n_tokens(self) -> int:
        return len(self.token)


def trees(
    trunks: Sequence[tuple[Integer[np.ndarray, " _n_trunk"], Tails]], tail_tokens: int
) -> list[Tree]:
    """Rows of about `tail_tokens` tail tokens; a trunk with more is repeated to share them out."""
    rows: list[Tree] = []
    first = 0
    for trunk, tails in trunks:
        total = sum(len(tail) for _, tail in tails)
        share = total / max(1, round(total / tail_tokens))
        start = filled = 0
        for i, (_, tail) in enumerate(tails):
            filled += len(tail)
            if filled >= share or i == len(tails) - 1:
                rows.append(_tree(trunk, tails[start : i + 1], first + start))
                start, filled = i + 1, 0
        first += len(tails)
    return rows


def run(
    model: Model, hook_names: Sequence[str], rows: Sequence[Tree]
) -> dict[str, Float[Tensor, "n_tails _d_in"]]:
    """The activations at the last token of every tail, row after row, in one pass.

    TreeRefusedError if the model can't run with such a mask and positions.
    """
    width = max(row.n_tokens for row in rows)
    token = _stack([row.token for row in rows], width, fill=0)
    position = _stack([row.position for row in rows], width, fill=0)
    segment = _stack([row.segment for row in rows], width, fill=-1)
    attach = _stack([row.attach for row in rows], width, fill=0)
    sees = visible(segment.to(model.device), attach.to(model.device))
    mask = torch.zeros(sees.shape, dtype=model.dtype, device=model.device)
    # Added to the scores, not boolean: every attention implementation takes it in this form.
    mask.masked_fill_(~sees, torch.finfo(model.dtype).min)
    row = np.repeat(np.arange(len(rows)), [len(row.last) for row in rows])
    last = np.concatenate([row.last for row in rows])
    places = (torch.from_numpy(row), torch.from_numpy(last))
    try:
        return model.activations_at(places, token, hook_names, mask[:, None], position)
    except (IndexError, RuntimeError, TypeError, ValueError) as error:
        raise TreeRefusedError(str(error).splitlines()[0]) from error


def visible(
    segment: Int[Tensor, "rows pos"], attach: Int[Tensor, "rows pos"]
) -> Bool[Tensor, "rows pos pos"]:
    """Whether a token (second dimension) sees another (third): its segment before it, its trunk.

    Padding (segment -1) sees padding, so that no row of the softmax is empty.
    """
    index = torch.arange(segment.shape[1], device=segment.device)
    own = segment[:, :, None] == segment[:, None, :]
    return own & (index[:, None] >= index) | (index < attach[:, :, None])


def _tree(trunk: Integer[np.ndarray, " n_trunk"], tails: Tails, first: int) -> Tree:
    attach = np.array([0, *(attach for attach, _ in tails)])
    lengths = np.array([attach.max(), *(len(tail) for _, tail in tails)])
    ends = np.cumsum(lengths)
    starts = ends - lengths
    return Tree(
        token=np.concatenate([trunk[: lengths[0]], *(tail for _, tail in tails)]),
        position=np.arange(ends[-1]) - np.repeat(starts - attach, lengths),
        segment=np.repeat(np.arange(len(lengths)), lengths),
        attach=np.repeat(attach, lengths),
        last=ends[1:] - 1,
        branch_index=np.arange(first, first + len(tails)),
    )


def _stack(
    rows: Sequence[Integer[np.ndarray, " _n_tokens"]], width: int, fill: int
) -> Int[Tensor, "rows pos"]:
    stacked = np.full((len(rows), width), fill, dtype=np.int64)
    for target, row in zip(stacked, rows, strict=True):
        target[: len(row)] = row
    return torch.from_numpy(stacked)
