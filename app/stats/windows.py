"""The tokens shown around a peak, and the feature's own activations over its whole context.

Takes places of peaks and one feature's events, gives ranges of positions and sparse activations.
Knows neither how the peaks were chosen nor the tokens' text.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, Int64, Integer

from app.stats.arrays import offsets, ragged_ranges
from app.stats.events import FeatureEvents


@dataclass(frozen=True)
class Windows:
    """Window i covers the positions [start[i], stop[i]) of its context."""

    start: Int32[np.ndarray, " n"]
    stop: Int32[np.ndarray, " n"]


@dataclass(frozen=True)
class ContextActivations:
    """The firings in the whole context of each example: rows [indptr[i], indptr[i + 1])."""

    indptr: Int64[np.ndarray, " n_plus_one"]
    position: Int32[np.ndarray, " m"]  # from the start of the context, ascending
    activation: Float32[np.ndarray, " m"]


def windows(
    position: Integer[np.ndarray, " n"],
    context_size: int | Integer[np.ndarray, " n"],
    before: int = 47,
    after: int = 16,
) -> Windows:
    """`before` tokens, the peak, `after` tokens, cut at the context's edges."""
    start = np.maximum(position.astype(np.int32) - before, 0)
    stop = np.minimum(position.astype(np.int32) + after + 1, context_size)
    return Windows(start.astype(np.int32), stop.astype(np.int32))


def context_activations(
    events: FeatureEvents, context_id: Integer[np.ndarray, " n"]
) -> ContextActivations:
    """The feature's activations over whole contexts: a window is a part of them."""
    context_start = context_id.astype(np.int64) * events.context_size
    first = np.searchsorted(events.places, context_start)
    lengths = np.searchsorted(events.places, context_start + events.context_size) - first
    inside = ragged_ranges(first, lengths)
    return ContextActivations(offsets(lengths), events.position[inside], events.activation[inside])
