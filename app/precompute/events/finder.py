"""Which search fits what encodes: by a dictionary's activation function, else row by row."""

from typing import Protocol, overload, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from app.precompute.coder import Coder
from app.precompute.events.firings import FiringFinder, Firings, ThresholdFinder
from app.precompute.events.top_k_firings import TopKFinder
from app.precompute.events.whole_row_firings import CoderFinder, WholeRowFinder
from app.sae.architectures import TopK
from app.sae.dictionary import Dictionary


@runtime_checkable
class Finder(Protocol):
    """Searches rows."""

    def find(
        self, x: Float[Tensor, "n d_in"], kept: Int[Tensor, " m"] | None = None
    ) -> tuple[Firings, Float[Tensor, "m d_sae"]]:
        """(the firings on these rows, the `hidden_pre` of all features on the rows `kept`)."""
        ...


@overload
def finder(dictionary: Dictionary, tile_features: int) -> FiringFinder: ...
@overload
def finder(dictionary: Coder, tile_features: int) -> Finder: ...
def finder(dictionary: Coder, tile_features: int) -> Finder:
    """The finder for this dictionary; `tile_features` as `TiledFinder` has it."""
    if not isinstance(dictionary, Dictionary):
        return CoderFinder(dictionary)
    if isinstance(dictionary.activation, TopK):
        return TopKFinder(dictionary, tile_features)
    if dictionary.activation.selects_across_features:
        return WholeRowFinder(dictionary)
    return ThresholdFinder(dictionary, tile_features)
