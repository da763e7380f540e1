"""What the address of a dictionary's matches may say.

Knows no query and no template.
"""

from typing import Literal

from pydantic import Field, field_validator

from app.web.ranges import RangeText, parse_range
from app.web.views import View


class MatchesView(View):
    """Which other dictionary, which matching, which features and in which order."""

    other: str = Field(default="", max_length=200)
    """last part of the other dictionary's address; empty takes the first it was compared with"""
    matching: Literal["best", "one-to-one"] = "best"
    """each feature's nearest, or the matching that uses each feature once"""
    near: Literal["0.5", "0.6", "0.7", "0.8", "0.9", "0.95"] = "0.7"
    """cosine from which a feature has a match"""
    cosine: RangeText = ""
    """only features whose cosine to their match is above the lower border of this range and at most
    its upper one"""
    sort: Literal["cosine", "-cosine", "density", "-density", "feature_index"] = "cosine"
    start: int = Field(default=0, ge=0, le=2**31)
    """features before the first one listed"""

    @field_validator("cosine")
    @classmethod
    def _readable_range(cls, value: str) -> str:
        parse_range(value)
        return value
