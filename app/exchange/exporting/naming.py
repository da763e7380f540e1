"""What other tools call a model, a layer and a set, and how that is read from an atlas.

Takes a dictionary and what the command line said, gives names; a name that can't be told is asked
for in one sentence. Knows no file.
"""

import re
from dataclasses import dataclass

from app.db.records import SaeRecord
from app.errors import AtlasError, echoed
from app.exchange.exporting.values import layer_of
from app.exchange.reader.atlas import Dictionary

MOST_LAYERS = 1_000
"""Of a model of which it isn't known how many it has."""


@dataclass(frozen=True)
class Names:
    """As the command line said them; empty and None mean "as in the atlas"."""

    model_id: str = ""
    sae_set: str = ""
    layer: int | None = None
    suffix: str = ""


@dataclass(frozen=True)
class Named:
    """One dictionary as other tools call it."""

    model_id: str
    layer: int
    sae_set: str
    suffix: str
    """empty without one"""

    @property
    def source_id(self) -> str:
        """`{layer}-{set}`, with `__{suffix}` where there is one."""
        return f"{self.layer}-{self.sae_set}" + (f"__{self.suffix}" if self.suffix else "")


def name_of(dictionary: Dictionary, names: Names) -> Named:
    """The names of one dictionary.

    Raises:
        AtlasError: nothing tells its layer, the model has no such layer, or a name has other
            characters than letters, digits, dashes, dots and underscores.
    """
    layer = _known_layer(dictionary.record) if names.layer is None else names.layer
    n_layers = dictionary.model.n_layers or MOST_LAYERS
    if names.layer is not None and names.layer >= n_layers:
        raise AtlasError(f"--layer is {names.layer}, expected 0 to {n_layers - 1:,}.")
    if layer is None:
        hook = dictionary.record.hook_name or "not known"
        raise AtlasError(
            f"The hook of {dictionary.address} ({hook}) tells no layer, which this format needs: "
            "say it with --layer."
        )
    return Named(
        _checked("--model-id", names.model_id or dictionary.record.model),
        layer,
        _checked("--set", names.sae_set or dictionary.record.sae),
        _checked("--suffix", names.suffix) if names.suffix else "",
    )


def _known_layer(record: SaeRecord) -> int | None:
    """As its hook says, else as an import's files do, or the name they have for it: `6-res-jb`."""
    found = layer_of(record.hook_name)
    if found is not None or record.imported is None:
        return found
    said = record.imported.settings.get("layer")
    if isinstance(said, int):
        return said
    named = re.match(r"(\d{1,4})-", record.imported.sae_name)
    return None if named is None else int(named[1])


def _checked(option: str, name: str) -> str:
    """A name that can be a part of a path and of an address."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise AtlasError(
            f"{option} {echoed(name)!r} can't be part of an address: use letters, digits, dashes, "
            "dots and underscores."
        )
    return name
