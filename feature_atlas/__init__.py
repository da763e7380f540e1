"""Feature Atlas from Python: `Atlas.open("atlas.db").feature("model", "sae", 7)`.

The names a script or a notebook needs, and no others; the program itself is the package `app`.
Needs no torch; frames need pandas.
"""

from app import __version__
from app.errors import AtlasError
from app.exchange.reader.atlas import Atlas, Dictionary
from app.exchange.reader.records import (
    Ablation,
    Band,
    Coactive,
    Context,
    Effects,
    Example,
    Feature,
    Histogram,
    LogitLens,
    Logits,
    Neighbor,
    TokenLogit,
    TokenStatistic,
)

__all__ = [
    "Ablation",
    "Atlas",
    "AtlasError",
    "Band",
    "Coactive",
    "Context",
    "Dictionary",
    "Effects",
    "Example",
    "Feature",
    "Histogram",
    "LogitLens",
    "Logits",
    "Neighbor",
    "TokenLogit",
    "TokenStatistic",
    "__version__",
]
