"""What the address of the pruning page may say: which features go, what stands in their place, and
which dictionary it is compared with. Knows no record.
"""

from typing import Literal

from pydantic import Field, field_validator

from app.errors import echoed
from app.web.ranges import parse_range
from app.web.views import View

NOTHING = "none"


class PruningView(View):
    """One pruning of a dictionary."""

    remove: Literal["denser", "rarer"] = "denser"
    """features denser than the threshold, or rarer ones"""
    threshold: str = Field(default="", max_length=30, examples=["0.038", "3.8%", NOTHING])
    """a density; the nearest measured one is shown. Empty lets the page choose: where the L0 is
    nearest to that of the dictionary compared with, else to half of this one's"""
    fill: Literal["zero", "mean"] = "zero"
    """what stands in the place of a removed feature: nothing, or its mean folded into b_dec"""
    against: str = Field(default="", max_length=200)
    """a dictionary at the same hook to compare with, by its part of the address"""

    @field_validator("threshold")
    @classmethod
    def _readable_threshold(cls, value: str) -> str:
        if value not in ("", NOTHING):
            density(value)
        return value


def density(threshold: str) -> float:
    """The density a threshold stands for.

    Raises:
        ValueError: it is no density above 0, at most 1.
    """
    low, high = parse_range(threshold)
    if low is None or high is not None or ".." in threshold or not 0 < low <= 1:
        raise ValueError(
            f"{echoed(threshold)!r} is no density: write a share of tokens like 0.038 or 3.8%, or "
            f"{NOTHING} for nothing removed."
        )
    return low
