"""Where features fire, of whatever encodes: a dictionary tile by tile, other coders row by row.

Takes a coder; gives the finder for it. Knows no corpus and no file.
"""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from app.precompute.coder import Coder
from app.precompute.events.firings import Firings
from app.precompute.events.top_k_firings import finder
from app.sae.dictionary import ROW_BLOCK_ELEMENTS, Dictionary


@runtime_checkable
class Finder(Protocol):
    """Searches rows."""

    def find(
        self, x: Float[Tensor, "n d_in"], kept: Int[Tensor, " m"] | None = None
    ) -> tuple[Firings, Float[Tensor, "m d_sae"]]:
        """(the firings on these rows, the `hidden_pre` of all features on the rows `kept`)."""
        ...


class WholeRows:
    """A `Finder` that holds every feature of some rows at once."""

    def __init__(self, coder: Coder) -> None:
        self._coder = coder

    def find(
        self, x: Float[Tensor, "n d_in"], kept: Int[Tensor, " m"] | None = None
    ) -> tuple[Firings, Float[Tensor, "m d_sae"]]:
        """See `Finder`."""
        size = max(1, ROW_BLOCK_ELEMENTS // self._coder.config.d_sae)
        parts: list[tuple[Tensor, Tensor, Tensor]] = []
        for start in range(0, len(x), size):
            acts = self._coder.encode(x[start : start + size])
            row, feature = acts.nonzero(as_tuple=True)
            parts.append((feature, row + start, acts[row, feature]))
        feature, row, activation = (torch.cat(column) for column in zip(*parts, strict=True))
        order = (feature * len(x) + row).argsort()
        firings = Firings(feature[order], row[order], activation[order], len(x))
        chosen = x[:0] if kept is None else x[kept]
        if not len(chosen):
            return firings, x.new_zeros(0, self._coder.config.d_sae)
        return firings, self._coder.forward_encoder(chosen)[0]


def finder_of(coder: Coder, tile_features: int) -> Finder:
    """The finder for it; `tile_features`: encoder columns multiplied at once, of a dictionary."""
    return finder(coder, tile_features) if isinstance(coder, Dictionary) else WholeRows(coder)
