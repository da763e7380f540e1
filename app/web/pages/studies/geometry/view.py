"""What the address of a dictionary's geometry may say.

Knows no query and no template.
"""

from typing import Literal

from pydantic import field_validator

from app.web.ranges import RangeText, parse_range
from app.web.views import View


class GeometryView(View):
    """Which features, which neighbour, which band of its cosine, which clusters."""

    among: Literal["living", "all", "unaligned"] = "living"
    """living features, all, or living ones without those that are neuron-aligned"""
    rank: Literal["1", "10", "100"] = "1"
    """the nearest neighbour, the 10th nearest, the 100th"""
    cosine: RangeText = ""
    """only features whose cosine to that neighbour is above the lower border of this range and at
    most its upper one"""
    near: Literal["0.7", "0.75", "0.8", "0.85", "0.9", "0.95", "0.99"] = "0.9"
    """cosine from which two features are near-duplicates"""

    @field_validator("cosine")
    @classmethod
    def _readable_range(cls, value: str) -> str:
        parse_range(value)
        return value
