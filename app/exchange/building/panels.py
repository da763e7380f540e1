"""Histogram, logits and neighbours of one feature as an atlas packs them.

Takes what a source has, gives panels that hold that and nothing else. Knows no table.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int32

from app.db.records import HistogramPanel, LogitLensPanel, NeighborPanel
from app.exchange.building.vocabulary import Vocabulary
from app.exchange.foreign import ForeignHistogram, ForeignLogits, ForeignNeighbors

MILLION = 1_000_000
_MOST_COUNTED = 2**53
"""Up to here a float is exact."""


def histogram_panel(found: ForeignHistogram | None) -> HistogramPanel | None:
    """None where the source has none, or one without a count."""
    if found is None or not np.any(found.counts > 0):
        return None
    edges = np.asarray(found.edges, np.float32)
    counts, in_millionths = _whole(found.counts)
    return HistogramPanel(float(edges[-1]), counts, edges, in_millionths)


def sparkline(panel: HistogramPanel | None) -> bytes:
    """One byte a bin, the largest 255, any count at least 1."""
    if panel is None:
        return b""
    scaled = np.ceil(panel.counts * 255 / panel.counts.max())
    return scaled.astype(np.uint8).tobytes()


def lens_panel(
    where: str, found: ForeignLogits | None, vocabulary: Vocabulary
) -> LogitLensPanel | None:
    """The lists as raw logits: nothing says that anything was subtracted.

    Args:
        where: the feature's place, for a sentence.
    """
    if found is None or not (len(found.promoted) or len(found.suppressed)):
        return None
    none, no_ids = np.zeros(0, np.float32), np.zeros(0, np.int32)
    edges, counts = none, np.zeros(0, np.int64)
    if found.histogram is not None:
        edges = np.asarray(found.histogram.edges, np.float32)
        counts, _ = _whole(found.histogram.counts)
    return LogitLensPanel(
        raw_positive_ids=_ids(where, found.promoted, vocabulary),
        raw_positive=np.asarray(found.promoted_logits, np.float32),
        raw_negative_ids=_ids(where, found.suppressed, vocabulary),
        raw_negative=np.asarray(found.suppressed_logits, np.float32),
        adjusted_positive_ids=no_ids,
        adjusted_positive=none,
        adjusted_negative_ids=no_ids,
        adjusted_negative=none,
        histogram_edges=edges,
        histogram_counts=counts,
        mean=math.nan,
        std=math.nan,
        skewness=math.nan,
        kurtosis=math.nan,
    )


def neighbor_panel(found: ForeignNeighbors | None) -> NeighborPanel | None:
    """None where the source has none."""
    if found is None or not len(found.feature_index):
        return None
    return NeighborPanel(
        np.asarray(found.feature_index, np.int64), np.asarray(found.cosine_similarity, np.float32)
    )


def _ids(where: str, texts: Sequence[str], vocabulary: Vocabulary) -> Int32[np.ndarray, " n"]:
    return np.array([vocabulary.id_of(where, text) for text in texts], np.int32)


def _whole(values: Float[np.ndarray, " n"]) -> tuple[np.ndarray, int]:
    """Counts as they are, shares in millionths of all, and what is too large for a count; 1 for
    these."""
    values = np.maximum(np.asarray(values, np.float64), 0)
    if (values == np.rint(values)).all() and values.sum() < _MOST_COUNTED:
        return values.astype(np.int64), 0
    return np.rint(values / values.sum() * MILLION).astype(np.int64), 1
