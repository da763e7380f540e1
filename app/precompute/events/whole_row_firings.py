"""Where features fire if a whole row decides and nothing shorter is known: rows are encoded whole.

For activation functions that choose among features without a bound to search by (groupmax). The
result is that of `Dictionary.encode`; a block of rows is held at a time, never all of them.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from app.precompute.coder import Coder
from app.precompute.events.firings import FiringFinder, Firings
from app.sae.dictionary import ROW_BLOCK_ELEMENTS


class WholeRowFinder(FiringFinder):
    """Encodes every row of features; costs what `Dictionary.encode` costs."""

    def find(
        self, x: Float[Tensor, "n d_in"], kept: Int[Tensor, " m"] | None = None
    ) -> tuple[Firings, Float[Tensor, "m d_sae"]]:
        return find_in_rows(self.dictionary, x, kept)


class CoderFinder:
    """The same for what encodes without being a dictionary."""

    def __init__(self, coder: Coder) -> None:
        self._coder = coder

    def find(
        self, x: Float[Tensor, "n d_in"], kept: Int[Tensor, " m"] | None = None
    ) -> tuple[Firings, Float[Tensor, "m d_sae"]]:
        """(the firings on these rows, the `hidden_pre` of all features on the rows `kept`)."""
        return find_in_rows(self._coder, x, kept)


def find_in_rows(
    coder: Coder, x: Float[Tensor, "n d_in"], kept: Int[Tensor, " m"] | None
) -> tuple[Firings, Float[Tensor, "m d_sae"]]:
    """What every finder gives, from whole rows of features."""
    feature, row, activation = [], [], []
    d_sae = coder.config.d_sae
    rows = max(1, ROW_BLOCK_ELEMENTS // d_sae)
    for start in range(0, max(len(x), 1), rows):
        feature_acts = coder.encode(x[start : start + rows])
        fired_row, fired = feature_acts.nonzero(as_tuple=True)
        feature.append(fired)
        row.append(fired_row + start)
        activation.append(feature_acts[fired_row, fired])
    chosen = x[:0] if kept is None else x[kept]
    hidden_pre = coder.forward_encoder(chosen)[0] if len(chosen) else x.new_zeros(0, d_sae)
    found = _by_feature(torch.cat(feature), torch.cat(row), torch.cat(activation), len(x))
    return found, hidden_pre


def _by_feature(
    feature: Int[Tensor, " n"], row: Int[Tensor, " n"], activation: Float[Tensor, " n"], n_rows: int
) -> Firings:
    order = (feature * max(n_rows, 1) + row).argsort()
    return Firings(feature[order], row[order], activation[order], n_rows)
