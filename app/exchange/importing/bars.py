"""Bars of a histogram as the field's tools write them: a height for each bar's centre.

Takes the two lists of an entry, gives a histogram over edges. Knows no format's names.
"""

import numpy as np
from jaxtyping import Float

from app.exchange.foreign import ForeignHistogram
from app.exchange.importing.entry import LARGEST, Entry


def histogram_of(entry: Entry, centers: str, heights: str) -> ForeignHistogram | None:
    """The histogram two fields describe; None where a field is absent or holds less than two bars.

    One bar doesn't say how wide it is.
    """
    at, counts = entry.numbers(centers), entry.numbers(heights)
    if at is None or counts is None:
        return None
    entry.same_length(centers, len(at), heights, len(counts))
    if len(at) < 2:
        return None
    if (np.diff(at) <= 0).any():
        entry.wrong(centers, at.tolist(), "bars from left to right")
    if (counts < 0).any():
        entry.wrong(heights, float(counts.min()), "no negative height")
    edges = _edges(at)
    if np.abs(edges).max() > LARGEST:
        entry.wrong(centers, at.tolist(), "bars whose ends are finite numbers too")
    return ForeignHistogram(edges, counts)


def _edges(centers: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n_plus_1"]:
    """Halfway between neighbours; the outermost as far out as the bar's inner edge is in."""
    inner = (centers[1:] + centers[:-1]) / 2
    first, last = 2 * centers[0] - inner[0], 2 * centers[-1] - inner[-1]
    return np.concatenate(([first], inner, [last]))
