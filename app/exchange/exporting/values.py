"""How numbers and texts of an atlas stand in other tools' JSON.

float32 numbers as the shortest text that gives them back, no NaN, lone NULs and half characters
replaced where a database can't hold them. Knows no format.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

from jaxtyping import Float
from numpy import flatnonzero, float32, ndarray

from app.exchange.reader.records import Example


def number(value: float) -> float:
    """The shortest number that is the same in float32, which is what an atlas keeps."""
    return float(str(float32(value)))


def numbers(values: Float[ndarray, " n"]) -> list[float]:
    """The same of many; most activations are 0."""
    values = values.astype(float32)
    found: list[float] = [0.0] * values.size
    for place in flatnonzero(values).tolist():
        found[place] = float(str(values[place]))
    return found


def optional(value: float | None) -> float | None:
    """The same where there may be none."""
    return None if value is None else number(value)


def to_json(value: Any) -> str:
    """One line of ASCII.

    Raises:
        ValueError: NaN or infinity, which no other tool reads.
    """
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def layer_of(hook_name: str) -> int | None:
    """The block a hook belongs to; the embedding counts as 0, None where it can't be told."""
    found = re.search(r"(?:^|\.)(?:blocks|layers|h)\.(\d+)(?:\.|$)", hook_name)
    if found is not None:
        return int(found[1])
    return 0 if "embed" in hook_name else None


def strongest_band_first(examples: Iterable[Example]) -> list[Example]:
    """Examples of a group with bands, the strongest band first, in it by rank."""
    return sorted(examples, key=lambda example: -(example.band.number if example.band else -1))
