"""Range filters as people write them: `0.1%..1%`, `0.5..`, `..3`.

Takes text, gives the two borders, both inclusive; and numbers of features, `7,12,100..199`. Knows
no column.
"""

import math
from typing import Annotated

from pydantic import Field

from app.errors import echoed

_BORDER = r"[-−]?[0-9]{1,9}(\.[0-9]{1,9})?(e-?[0-9])?%?"
_ITEM = "[0-9]{1,9}"
RangeText = Annotated[
    str,
    Field(
        max_length=60,
        examples=["0.1%..1%", "0.5..", "..3"],
        json_schema_extra={"pattern": rf"^({_BORDER})?(\.\.({_BORDER})?)?$"},
    ),
]
IndexText = Annotated[
    str,
    Field(
        max_length=400,
        examples=["7,12", "100..199"],
        json_schema_extra={
            "pattern": rf"^({_ITEM}(\.\.({_ITEM})?)?(,{_ITEM}(\.\.({_ITEM})?)?)*)?$"
        },
    ),
]


def parse_range(text: str) -> tuple[float | None, float | None]:
    """The borders of a range; None leaves a side open. A single number is the lower border.

    Raises:
        ValueError: not a range, or its lower border is above the upper one.
    """
    low_text, dots, high_text = text.strip().partition("..")
    low, high = _number(low_text, text), _number(high_text, text)
    if low is not None and high is not None and low > high:
        raise ValueError(
            f"The range {echoed(text)!r} holds nothing: its lower border is above the upper one."
        )
    return low, high if dots else None


def parse_indices(text: str) -> tuple[tuple[int, int], ...]:
    """Numbers of features and ranges of them, between commas; both borders inclusive.

    Raises:
        ValueError: not such a list, or a range whose lower border is above the upper one.
    """
    found: list[tuple[int, int]] = []
    for part in text.split(","):
        pieces = part.partition("..")
        low_text, dots, high_text = (piece.strip().removeprefix("#") for piece in pieces)
        low, high = _index(low_text or "0", text), _index(high_text or str(_LARGEST), text)
        if not (low_text or high_text) or low > high:
            raise ValueError(f"{echoed(part.strip())!r} holds no feature: {_INDEX_HELP}")
        found.append((low, high if dots else low))
    return tuple(found)


def range_words(text: str) -> str:
    """A range as a label says it: 0.1% – 1%, ≥ 0.5, ≤ 3."""
    low, dots, high = (part.strip() for part in text.partition(".."))
    if low and high:
        return low if low == high else f"{low} – {high}"
    if not (low or high):
        return "any"
    return f"≤ {high}" if dots and high else f"≥ {low}"


def _index(part: str, whole: str) -> int:
    if not (part.isascii() and part.isdigit() and len(part) < 11):
        raise ValueError(f"{echoed(whole)!r} names no features: {_INDEX_HELP}")
    return int(part)


def _number(part: str, whole: str) -> float | None:
    part = part.strip().replace("−", "-")
    if not part:
        return None
    share = part.endswith("%")
    try:
        value = float(part.removesuffix("%")) / (100 if share else 1)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(
            f"{echoed(whole)!r} is not a range: write 0.1%..1%, 0.5.. (at least) or ..3 (at most)."
        )
    return value


_LARGEST = 2**31
_INDEX_HELP = "write numbers and ranges between commas, such as 7,12,100..199."
