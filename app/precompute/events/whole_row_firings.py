"""Where features fire if a whole row decides and nothing shorter is known: rows are encoded whole.

For activation functions that choose among features without a bound to search by (groupmax). The
result is that of `Dictionary.encode`; a block of rows is held at a time, never all of them.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from app.precompute.events.firings import FiringFinder, Firings
from app.sae.dictionary import ROW_BLOCK_ELEMENTS


class WholeRowFinder(FiringFinder):
    """Encodes every row of features; costs what `Dictionary.encode` costs."""

    def find(
        self, x: Float[Tensor, "n d_in"], kept: Int[Tensor, " m"] | None = None
    ) -> tuple[Firings, Float[Tensor, "m d_sae"]]:
        feature, row, activation = [], [], []
        rows = max(1, ROW_BLOCK_ELEMENTS // self.dictionary.W_enc.shape[1])
        for start in range(0, max(len(x), 1), rows):
            feature_acts = self.dictionary.encode(x[start : start + rows])
            fired_row, fired = feature_acts.nonzero(as_tuple=True)
            feature.append(fired)
            row.append(fired_row + start)
            activation.append(feature_acts[fired_row, fired])
        hidden_pre = self.dictionary.hidden_pre(x[:0] if kept is None else x[kept])
        found = _by_feature(torch.cat(feature), torch.cat(row), torch.cat(activation), len(x))
        return found, hidden_pre


def _by_feature(
    feature: Int[Tensor, " n"], row: Int[Tensor, " n"], activation: Float[Tensor, " n"], n_rows: int
) -> Firings:
    order = (feature * max(n_rows, 1) + row).argsort()
    return Firings(feature[order], row[order], activation[order], n_rows)
