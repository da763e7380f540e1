"""Where in its range, in the context and among the documents a feature fires: exact counts.

Takes one feature's events (and the corpus for the counts beside them). Knows nothing of drawing.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from app.stats.arrays import strongest
from app.stats.corpus import Corpus
from app.stats.events import FeatureEvents


@dataclass(frozen=True)
class Histogram:
    """Bin j is (edges[j], edges[j + 1]]; the counts sum to n_active. No bins for a dead feature."""

    edges: Float64[np.ndarray, " n_edges"]  # max * j / n_bins
    counts: Int64[np.ndarray, " n_bins"]


@dataclass(frozen=True)
class PositionDensity:
    """By position in the context, over all contexts."""

    n_active: Int64[np.ndarray, " context_size"]
    n_tokens: Int64[np.ndarray, " context_size"]  # counted tokens


@dataclass(frozen=True)
class DocumentDensity:
    """The documents with most firings, by (firings descending, document id)."""

    document_ids: Int64[np.ndarray, " n"]
    n_active: Int64[np.ndarray, " n"]
    n_tokens: Int64[np.ndarray, " n"]  # counted tokens of the document
    n_documents: int  # documents with at least one firing


def equal_width_edges(maximum: float, n_bins: int) -> Float64[np.ndarray, " n_edges"]:
    """max * j / n_bins for j = 0 … n_bins, in float64; the last is the maximum itself."""
    return maximum * np.arange(n_bins + 1, dtype=np.float64) / n_bins


def cuts_at(events: FeatureEvents, edges: Float64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """How many activations are ≤ each edge: where the edge cuts the ascending order of events.

    Comparing with the edges, instead of dividing by the bin width, is exact for values on an edge.
    """
    ordered = events.ordered_activation.astype(np.float64)
    return np.searchsorted(ordered, edges, side="right").astype(np.int64)


def activation_histogram(events: FeatureEvents, n_bins: int = 50) -> Histogram:
    """Exact counts of the active values in bins of equal width over (0, max]."""
    if events.n_active == 0:
        return Histogram(np.zeros(0), np.zeros(0, dtype=np.int64))
    edges = equal_width_edges(float(events.ordered_activation[-1]), n_bins)
    return Histogram(edges, np.diff(cuts_at(events, edges)))


def position_density(events: FeatureEvents, corpus: Corpus) -> PositionDensity:
    """Firings beside counted tokens at each position."""
    n_active = np.bincount(events.position, minlength=corpus.context_size).astype(np.int64)
    return PositionDensity(n_active, corpus.counted_per_position)


def document_density(
    events: FeatureEvents, corpus: Corpus, n_strongest: int = 10
) -> DocumentDensity:
    """The documents in which the feature fires most; tokens without a document are left out."""
    documents = corpus.flat_document_ids[events.places]
    # Runs of one document first: far fewer to sort than events, and no array over all documents.
    edges = np.flatnonzero(np.diff(documents, prepend=-2, append=-2))
    run_document, run_length = documents[edges[:-1]], np.diff(edges)
    known = run_document >= 0
    ids, member = np.unique(run_document[known], return_inverse=True)
    counts = np.bincount(member, run_length[known], minlength=ids.size).astype(np.int64)
    top = strongest(counts, n_strongest)
    chosen = ids[top].astype(np.int64)
    return DocumentDensity(chosen, counts[top], corpus.tokens_per_document[chosen], ids.size)
