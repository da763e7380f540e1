"""Known dictionaries by a short name: what `--preset` fills in.

Reads the table beside it (`table.toml`, which says where each fact was seen), gives options under
their own names. Asks nothing of a network: whether a repository still holds what the table says
shows when it is fetched.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from app.errors import AtlasError, closest, echoed

_TABLE = Path(__file__).with_name("table.toml")


@dataclass(frozen=True)
class Family:
    """Dictionaries that differ in their layer."""

    name: str
    """of a preset, which is also the address in an atlas; `{layer}` stands for the layer"""
    layers: tuple[int, int]
    """first and last"""
    model: str
    sae: str
    hook_name: str
    sae_format: str | None = None
    """None where the files tell it"""
    prepend_bos: bool | None = None
    """None for what the dictionary's own files say"""
    context_size: int | None = None
    """likewise"""
    by_layer: dict[str, list[Any]] = field(default_factory=dict)
    """what else the addresses need, one value a layer"""

    def names(self) -> Iterator[str]:
        """All presets of the family, by layer."""
        for layer in range(self.layers[0], self.layers[1] + 1):
            yield self.name.format(layer=layer)

    def options(self, name: str) -> dict[str, Any]:
        """What the preset of that name fills in."""
        layer = self.layers[0] + list(self.names()).index(name)
        words = {key: values[layer - self.layers[0]] for key, values in self.by_layer.items()}
        options = {
            "model": self.model,
            "sae": [self.sae.format(layer=layer, **words)],
            "hook_name": self.hook_name.format(layer=layer),
            "sae_format": self.sae_format,
            "prepend_bos": self.prepend_bos,
            "context_size": self.context_size,
            "name": [name],
        }
        return {key: value for key, value in options.items() if value is not None}


@cache
def families() -> tuple[Family, ...]:
    """The whole table, in its order."""
    known = set(Family.__dataclass_fields__)
    found = []
    for row in tomllib.loads(_TABLE.read_text("utf-8"))["family"]:
        plain: dict[str, Any] = {key: value for key, value in row.items() if key in known}
        plain["by_layer"] = {key: value for key, value in row.items() if key not in known}
        plain["layers"] = tuple(row["layers"])
        found.append(Family(**plain))
    return tuple(found)


def preset_options(name: str) -> dict[str, Any]:
    """The options of a preset, by the names the settings have.

    Raises:
        AtlasError: there is none of that name; the closest are named.
    """
    for family in families():
        if name in family.names():
            return family.options(name)
    every = [preset for family in families() for preset in family.names()]
    raise AtlasError(
        f"There is no preset {echoed(name)!r}; the closest are {closest(name, every)} "
        "(`feature-atlas presets` lists them)."
    )


def table_lines() -> Iterator[str]:
    """The table for people: a family a block, `{layer}` where the layer stands."""
    for family in families():
        first, last = family.layers
        yield f"{family.name}   layer {first} to {last}"
        bos = {True: "before every context", False: "none", None: "as the dictionary says"}
        context = family.context_size or "as the dictionary says"
        facts = {
            "model": family.model,
            "dictionary": re.sub(r"\{(?!layer\})\w+\}", "…", family.sae),
            "hook": family.hook_name,
            "format": family.sae_format or "told by the files",
            "BOS": bos[family.prepend_bos],
            "context": context,
        }
        for word, fact in facts.items():
            yield f"    {word:<12}{fact}"
        yield ""
