"""Where given firings came from, in words of their format. Knows no format itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Source:
    """Where the firings came from, in words of its format."""

    format: str
    name: str
    """of the file or folder"""
    model_name: str
    saes: Mapping[str, str]
    """what the source calls each dictionary, by its address part; in the order of the settings"""
    hooks: Mapping[str, str]
    """where each of them reads, as the source says it"""
    settings: dict[str, Any]
    """the source's own"""
    left_out: Sequence[str] = ()
    """what the source doesn't keep, and what was done where it doesn't say"""
    approximate: Sequence[str] = ()
