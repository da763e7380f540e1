"""One number of a dictionary at the head of a study's page."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """It, with what it rests on."""

    name: str
    value: str
    unit: str
    note: str
    """beside it: chance, counts"""
    formula: str
