"""Does a region break off sharply, or does the feature only just fall silent inside it?

Takes one feature's events and its pre-activations in a sample of contexts. A *span* is that of
`locality`: first to last firing inside one document of one context, at least three firings.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from app.stats.corpus import Corpus
from app.stats.events import FeatureEvents
from app.stats.locality import spans
from app.stats.moments import activation_statistics

NEAR = 0.1
"""Near to firing: at most this share of the mean active value below it."""


@dataclass(frozen=True)
class Flicker:
    """Counts over the spans in the contexts of a sample; all are 0 where there is no span."""

    n_spans: int
    n_silent: int  # counted tokens inside them on which the feature is silent
    n_near: int  # of those, with threshold - hidden_pre <= NEAR * mean active value

    @property
    def share(self) -> float | None:
        """n_near / n_silent; None where no token inside a span is silent."""
        return self.n_near / self.n_silent if self.n_silent else None


def flicker(
    hidden_pre: Float32[np.ndarray, " n_sample"],
    sample_places: Int64[np.ndarray, " n_sample"],
    threshold: float | None,
    events: FeatureEvents,
    corpus: Corpus,
) -> Flicker | None:
    """Of the silent tokens inside spans, how many are near to firing.

    The mean is that of all active values, in the sample or not. None where the feature has no
    threshold of its own (per-token top-k): then no distance to firing is defined.

    Args:
        hidden_pre: the feature's column of the sample.
        sample_places: all counted tokens of some contexts, ascending.
        threshold: `hidden_pre` has to exceed it for the feature to fire.
    """
    if threshold is None:
        return None
    n_spans = n_silent = n_near = 0
    mean = activation_statistics(events, corpus.n_tokens).mean_activation
    bound = threshold - NEAR * (mean or 0.0)
    for first, last, n_firings in zip(*spans(events, corpus), strict=True):
        rows = slice(*np.searchsorted(sample_places, [first, last + 1]))
        places = sample_places[rows]
        if not places.size:
            continue
        silent = ~np.isin(places, events.places)
        n_spans += 1
        n_silent += places.size - int(n_firings)
        n_near += int(np.count_nonzero(silent & (hidden_pre[rows] >= bound)))
    return Flicker(n_spans, n_silent, n_near)
