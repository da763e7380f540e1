"""Where the features of a map lie: the part of the plane that is shown, and marks on it.

Takes positions in the map's own unit, gives shares and percents of the picture. Knows no feature's
numbers and no template.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

_SQUARES = 120
"""of the server's drawing, along its longer side"""

_MARGIN = 0.02
"""of the longer side, around the outermost features"""


@dataclass(frozen=True)
class Frame:
    """The part of the plane that holds all features: the same unit both ways."""

    left: float
    bottom: float
    width: float
    height: float


@dataclass(frozen=True)
class MapMark:
    """A feature that fires on the searched token."""

    feature_index: int
    share: float
    """share of its activation mass on the tokens, 0 to 1"""
    x: float
    """percent of the picture, from the left"""
    y: float
    """percent of the picture, from the top"""
    radius: float
    """in squares of the picture"""


def frame_of(positions: Float[ndarray, "d_sae 2"]) -> Frame:
    low, high = positions.min(axis=0).astype(float), positions.max(axis=0).astype(float)
    margin = _MARGIN * max(float((high - low).max()), 1e-6)
    # a map that is all but a line keeps some height
    size = np.maximum(high - low + 2 * margin, 20 * margin)
    corner = (low + high - size) / 2
    return Frame(*corner.tolist(), *size.tolist())


def places_in(
    positions: Float[ndarray, "d_sae 2"], frame: Frame
) -> tuple[Float[ndarray, " d_sae"], Float[ndarray, " d_sae"]]:
    x, y = positions[:, 0].astype(float), positions[:, 1].astype(float)
    return (x - frame.left) / frame.width, (y - frame.bottom) / frame.height


def squares_of(frame: Frame) -> tuple[int, int]:
    longer = max(frame.width, frame.height)
    return (
        max(1, round(_SQUARES * frame.width / longer)),
        max(1, round(_SQUARES * frame.height / longer)),
    )


def mark_of(
    feature_index: int,
    share: float,
    largest: float,
    x: Float[ndarray, " d_sae"],
    y: Float[ndarray, " d_sae"],
) -> MapMark:
    """Areas are in proportion to shares; the largest has a radius of 1.6 squares."""
    return MapMark(
        feature_index,
        share,
        round(100 * float(x[feature_index]), 3),
        round(100 * (1 - float(y[feature_index])), 3),
        round(max(0.5, 1.6 * (share / largest) ** 0.5), 2),
    )
