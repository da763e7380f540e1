"""What other tools call a model, a layer and a set, and how that is read from an atlas.

Takes a dictionary and what the command line said, gives names; a name that can't be told is asked
for in one sentence. Knows no file.
"""

import re
from dataclasses import dataclass

from app.errors import AtlasError, echoed
from app.exchange.exporting.values import layer_of
from app.exchange.reader.atlas import Dictionary


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
        AtlasError: its hook tells no layer and none was said, or a name has other characters than
            letters, digits, dashes, dots and underscores.
    """
    layer = names.layer if names.layer is not None else layer_of(dictionary.record.hook_name)
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


def _checked(option: str, name: str) -> str:
    """A name that can be a part of a path and of an address."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise AtlasError(
            f"{option} {echoed(name)!r} can't be part of an address: use letters, digits, dashes, "
            "dots and underscores."
        )
    return name
