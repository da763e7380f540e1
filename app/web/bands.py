"""A band of activations in an address, as a bar of the histogram links to it: `2.1..2.4`.

Borders are written in six digits. Read back, a border that is the writing of a bin's edge is that
edge itself, so that a bar's link holds exactly what the bar counts: above its lower edge, up to and
including its upper one. A border somebody typed stays as typed, and is included. Knows no feature.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Shaped
from numpy import ndarray

from app.web.ranges import parse_range


@dataclass(frozen=True)
class Band:
    """A range of activations."""

    low: float
    """lower border, −inf where the side is open"""
    high: float
    """upper border, included; inf where the side is open"""
    low_included: bool
    """whether `low` itself is inside: not where it is the edge of a bin"""

    def holds(self, values: Shaped[ndarray, "*shape"]) -> Bool[ndarray, "*shape"]:
        """Which values lie inside."""
        above = values >= self.low if self.low_included else values > self.low
        return above & (values <= self.high)


def band_text(low: float, high: float) -> str:
    """The argument of a bin's link."""
    return f"{low:.6g}..{high:.6g}"


def read_band(text: str, edges: Sequence[float]) -> Band | None:
    """The band an argument means among the edges of a histogram; None for no band.

    Raises:
        ValueError: not a range.
    """
    low, high = parse_range(text)
    if low is None and high is None:
        return None
    edge_low, edge_high = _edge(low, edges), _edge(high, edges)
    return Band(
        low=-np.inf if low is None else low if edge_low is None else edge_low,
        high=np.inf if high is None else high if edge_high is None else edge_high,
        low_included=edge_low is None,
    )


def bins_inside(band: Band, edges: Sequence[float]) -> tuple[int, int]:
    """First and past-the-last bin that share any activation with the band; equal for none."""
    values = np.asarray(edges, dtype=np.float64)
    touched = np.flatnonzero((values[1:] >= band.low) & (values[:-1] < band.high))
    if not band.low_included:
        touched = touched[values[1:][touched] > band.low]
    return (int(touched[0]), int(touched[-1]) + 1) if touched.size else (0, 0)


def _edge(border: float | None, edges: Sequence[float]) -> float | None:
    """The edge that is written like a border; None where the border is open or no edge."""
    if border is None:
        return None
    written = f"{border:.6g}"
    return next((edge for edge in edges if f"{edge:.6g}" == written), None)
