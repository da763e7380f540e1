"""What the colours of a map's dots stand for: steps from the lowest to the highest value.

Takes a column by its name with its values. Knows no position and no template.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from app.web.pages.points.columns import COLUMNS, axis_name, color_axis_of
from app.web.text import number, percent

_ACTIVATIONS = ("max_activation", "mean_activation")
_HEAT = tuple(f"heat-{step}" for step in range(2, 10))
"""The palest two steps can't be seen as dots on paper"""
_INK = tuple(f"ink-{step}" for step in range(5))
_EFFECT = ("effect-n5", "effect-n4", "effect-n3", "effect-n2")


@dataclass(frozen=True)
class Legend:
    """What the colours of the dots stand for."""

    name: str
    """the column, with its unit and scale"""
    steps: tuple[str, ...]
    """classes from the lowest to the highest value"""
    low: str
    high: str


def legend_of(column: str, values: Float[ndarray, " d_sae"]) -> Legend:
    """The ends say so where values lie beyond them."""
    axis = color_axis_of(column, values)
    write = percent if COLUMNS[column].share else number
    steps = _HEAT if column in _ACTIVATIONS else _INK
    if column == "ablation_token_effect":
        steps = _EFFECT
    # what has no place on a logarithmic axis has no colour
    finite = values[np.isfinite(values) & ((values > 0) | (not axis.log))]
    below, above = bool((finite < axis.low).any()), bool((finite > axis.high).any())
    return Legend(
        axis_name(column, axis),
        steps,
        ("≤ " if below else "") + write(axis.low),
        ("≥ " if above else "") + write(axis.high),
    )


def n_hollow_of(column: str, values: Float[ndarray, " d_sae"]) -> int:
    """How many features have no place on the scale, and so no colour."""
    return int(np.isnan(color_axis_of(column, values).places(values)).sum())
