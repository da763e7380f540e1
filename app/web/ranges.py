"""Range filters as people write them: `0.1%..1%`, `0.5..`, `..3`.

Takes text, gives the two borders, both inclusive. Knows no column.
"""

import math
from typing import Annotated

from pydantic import Field

RangeText = Annotated[str, Field(max_length=60, examples=["0.1%..1%", "0.5..", "..3"])]


def parse_range(text: str) -> tuple[float | None, float | None]:
    """The borders of a range; None leaves a side open. A single number is the lower border.

    Raises:
        ValueError: not a range, or its lower border is above the upper one.
    """
    low_text, dots, high_text = text.strip().partition("..")
    low, high = _number(low_text, text), _number(high_text, text)
    if low is not None and high is not None and low > high:
        raise ValueError(
            f"The range {text!r} holds nothing: its lower border is above the upper one."
        )
    return low, high if dots else None


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
            f"{whole!r} is not a range: write 0.1%..1%, 0.5.. (at least) or ..3 (at most)."
        )
    return value
