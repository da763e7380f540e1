"""Random firings of one feature inside a band of activations, drawn as interval examples are.

Takes the feature's events, the corpus and the band's borders; gives places and the exact count. The
draw goes by the smallest seeded hashes, one per context, so the same band shows the same firings
everywhere. Knows neither windows nor text.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from app.stats.corpus import Corpus
from app.stats.events import FeatureEvents
from app.stats.examples import draw_one_per_context
from app.stats.permutation import PlaceHash

BAND_EXAMPLES = 10
"""Drawn from a band where nobody says otherwise."""


@dataclass(frozen=True)
class BandDraw:
    """What a band holds and what was drawn from it."""

    chosen: Int64[np.ndarray, " n"]  # indices into the events, in the order drawn
    n_active: int  # firings in the band


def draw_band(
    events: FeatureEvents,
    corpus: Corpus,
    low: float,
    high: float,
    *,
    low_included: bool = False,
    n: int = BAND_EXAMPLES,
    seed: int = 0,
) -> BandDraw:
    """At most `n` firings with low < activation ≤ high, one per context.

    Args:
        low_included: whether an activation of exactly `low` is inside; borders are compared in
            float64.
        seed: that of the run, so that a band as wide as an interval draws the interval's examples.
    """
    ordered = events.ordered_activation.astype(np.float64)
    first = int(np.searchsorted(ordered, low, side="left" if low_included else "right"))
    stop = max(first, int(np.searchsorted(ordered, high, side="right")))
    members = events.ascending[first:stop]
    if members.size == 0:
        return BandDraw(np.zeros(0, dtype=np.int64), 0)
    hashing = PlaceHash(seed, events.feature_index, corpus.tokens.size)
    hashes = hashing.of(events.places[members])
    drawn = draw_one_per_context(hashes, events.context_id[members], n, hashing.n_hashes)
    return BandDraw(members[drawn], int(members.size))
