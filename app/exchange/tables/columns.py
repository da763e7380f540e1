"""What a column and a table are. Knows no feature."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from app.exchange.reader.records import Feature

Kind = Literal["text", "int", "float", "bool", "ints", "floats", "numbers", "texts"]
"""of the values; those ending in s are lists, `floats` of float32, `numbers` of float64"""

Row = Mapping[str, Any]
"""a value for each column, None where there is none; in a list of floats NaN"""


@dataclass(frozen=True)
class Column:
    """One column."""

    name: str
    kind: Kind
    unit: str
    """empty for names, numbers of things and texts"""
    description: str


@dataclass(frozen=True)
class Table:
    """One table; the key of a row is its first columns."""

    name: str
    description: str
    columns: tuple[Column, ...]
    rows: Callable[[Feature], Iterable[Row]]
    """those of one feature"""


FEATURE_KEY = (
    Column("model", "text", "", "the model's part of the address"),
    Column("sae", "text", "", "the dictionary's part of the address"),
    Column("feature_index", "int", "", "number of the feature in the dictionary"),
)


def key_of(feature: Feature) -> dict[str, Any]:
    """The values of `FEATURE_KEY`."""
    return {
        "model": feature.model,
        "sae": feature.sae,
        "feature_index": feature.feature_index,
    }
