"""A dictionary without some of its features: reconstructions from the firings of what is left.

Takes firings at some tokens, found once, and orders of removal; gives a reconstruction for each
step. Removed is after the activation function: what fires is what fired before, less what is gone.
`reselected` removes before it, which only changes what fires where features compete (per-token
top-k). Knows no model and no corpus.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from app.sae.dictionary import ROW_BLOCK_ELEMENTS, Dictionary
from app.stats.pruning import Ladder


@dataclass(frozen=True, eq=False)
class Fired:
    """All firings at some tokens, by row, then feature."""

    row: Int[Tensor, " n_events"]
    feature: Int[Tensor, " n_events"]
    activation: Float[Tensor, " n_events"]

    @classmethod
    def of(cls, feature_acts: Float[Tensor, "n d_sae"], first_row: int = 0) -> "Fired":
        """The non-zero entries of dense activations."""
        row, feature = feature_acts.nonzero(as_tuple=True)
        return cls(row + first_row, feature, feature_acts[row, feature])

    @classmethod
    def joined(cls, parts: list["Fired"]) -> "Fired":
        return cls(
            torch.cat([part.row for part in parts]),
            torch.cat([part.feature for part in parts]),
            torch.cat([part.activation for part in parts]),
        )

    def left(self, kept: Bool[Tensor, " d_sae"]) -> "Fired":
        """Those of the features that are kept."""
        keep = kept[self.feature]
        return Fired(self.row[keep], self.feature[keep], self.activation[keep])

    def decode(
        self, dictionary: Dictionary, x: Float[Tensor, "n d_in"]
    ) -> Float[Tensor, "n d_out"]:
        """The reconstruction of the rows `x`."""
        return dictionary.decode_events(self.row, self.feature, self.activation, x)


def fired(dictionary: Dictionary, x: Float[Tensor, "n d_in"]) -> Fired:
    """Every firing at these tokens; a block of rows at a time is encoded whole."""
    return Fired.joined(
        [Fired.of(dictionary.encode(x[rows]), rows.start) for rows in _blocks(dictionary, x)]
    )


def pruned(
    dictionary: Dictionary,
    means: Float64[np.ndarray, " d_sae"],
    found: Fired,
    x: Float[Tensor, "n d_in"],
    ladder: Ladder,
) -> Iterator[tuple[Float[Tensor, "n d_out"], Float[Tensor, "n d_out"]]]:
    """(zeroed, folded) reconstructions after each step of a ladder.

    `means`: of each feature the mean activation over all counted tokens of the corpus, silent ones
    as 0. Folded into b_dec it stands in the dictionary's scale, where activations do.
    """
    device = dictionary.W_dec.device
    kept = torch.ones(len(dictionary.W_dec), dtype=torch.bool, device=device)
    b_dec, gone = dictionary.b_dec, 0
    for n_removed in ladder.n_removed.tolist():
        newly = torch.from_numpy(ladder.order[gone:n_removed].copy()).to(device)
        gone = n_removed
        kept[newly] = False
        own = torch.from_numpy(means)[newly.cpu()].to(dictionary.W_dec)
        b_dec = b_dec + own @ dictionary.W_dec[newly]
        left = found.left(kept)
        yield left.decode(dictionary, x), left.decode(replace(dictionary, b_dec=b_dec), x)


def reselected(
    dictionary: Dictionary, x: Float[Tensor, "n d_in"], ladder: Ladder
) -> Iterator[Fired]:
    """What fires after each step if features are removed before the strongest are chosen."""
    device = dictionary.W_dec.device
    steps: list[list[Fired]] = [[] for _ in ladder.n_removed]
    for rows in _blocks(dictionary, x):
        linear = dictionary.hidden_pre(x[rows])
        for step, parts in enumerate(steps):
            gone = torch.from_numpy(ladder.removed(step).copy()).to(device)
            left = linear.index_fill(-1, gone, -torch.inf)
            parts.append(Fired.of(dictionary.activation(left)[1], rows.start))
    return (Fired.joined(parts) for parts in steps)


def _blocks(dictionary: Dictionary, x: Float[Tensor, "n d_in"]) -> list[slice]:
    """Stretches of rows whose dense activations fit into memory; at least one."""
    rows = max(1, ROW_BLOCK_ELEMENTS // dictionary.W_enc.shape[1])
    return [slice(start, min(start + rows, len(x))) for start in range(0, max(len(x), 1), rows)]
