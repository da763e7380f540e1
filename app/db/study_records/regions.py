"""What the study of regions was told, and how many features it calls candidates.

What it found of each feature stands in the feature's own row: `region_lift`, `near_share`,
`n_span_switches`, `smoothed_share`, `smoothed_share_shuffled`.
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Regions:
    """The study of one dictionary."""

    STUDY: ClassVar[str] = "regions"

    lag: int
    """tokens after a firing at which the lift is compared with its null"""
    most_spans: int
    """spans of a feature whose switches were counted"""
    reach: int
    """tokens on either side that smoothing averages in"""
    firing_share: float
    """smoothed, a token fires from this share of its span's mean active value on"""
    candidate_lift: float
    """a region candidate's lift is at least so many times its null"""
    fewest_spans: int
    """features with fewer have no lift, and are no candidates"""
    n_candidates: int
