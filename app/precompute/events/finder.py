"""Which search fits a dictionary's activation function."""

from app.precompute.events.firings import FiringFinder, ThresholdFinder
from app.precompute.events.top_k_firings import TopKFinder
from app.precompute.events.whole_row_firings import WholeRowFinder
from app.sae.architectures import TopK
from app.sae.dictionary import Dictionary


def finder(dictionary: Dictionary, tile_features: int) -> FiringFinder:
    """The finder for this dictionary; `tile_features` as `TiledFinder` has it."""
    if isinstance(dictionary.activation, TopK):
        return TopKFinder(dictionary, tile_features)
    if dictionary.activation.selects_across_features:
        return WholeRowFinder(dictionary)
    return ThresholdFinder(dictionary, tile_features)
