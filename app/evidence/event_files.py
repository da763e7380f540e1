"""The firings behind an atlas, where its events folder stands beside it.

The pages of an atlas don't need them; a context page, a band of the histogram and the test of a
reading do. Takes the atlas' path and a dictionary, gives its events and the contexts they were
counted over, or None where they are missing or belong to another run. Knows no page.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Integer
from numpy import ndarray

from app.db.catalog import Sae
from app.errors import AtlasError
from app.stats.corpus import Corpus
from app.stats.event_places import corpus_part, events_folder, sae_part
from app.stats.events import EventStore, FeatureEvents


@dataclass(frozen=True)
class SaeEvents:
    """Every firing of one dictionary, memory-mapped."""

    store: EventStore
    corpus: Corpus

    def feature(self, feature_index: int) -> FeatureEvents:
        """All firings of one feature by (context, position); reads its own slice of each shard."""
        return next(self.store.features(feature_index, feature_index + 1))


def open_events(atlas: Path, sae: Sae, n_active: Integer[ndarray, " d_sae"]) -> SaeEvents | None:
    """The events beside an atlas; None where there are none that fit it.

    Args:
        n_active: firings of each feature as the atlas has them: events of another run differ.
    """
    folder = events_folder(atlas)
    model = sae.record.model
    try:
        store = EventStore.open(folder / sae_part(model, sae.record.sae))
        corpus = Corpus.open(folder / corpus_part(model, sae.corpus.hash))
    except AtlasError:
        return None
    fits = (
        corpus.metadata.get("hash") == sae.corpus.hash
        and store.n_contexts == corpus.n_contexts
        and store.d_sae == sae.record.d_sae
        and np.array_equal(store.n_active(), n_active)
    )
    return SaeEvents(store, corpus) if fits else None


def missing_sentence(atlas: Path, sae: Sae) -> str:
    """What to do where the events are missing; nothing helps where the dictionary was imported."""
    imported = sae.record.imported
    if imported is not None:
        return (
            f"This needs every firing, and the {imported.title} files {imported.source} that this "
            "was read from hold those of their examples alone."
        )
    return (
        f"This needs every firing, which {events_folder(atlas).name}/ beside the atlas holds: it "
        "is missing or belongs to another run. Put the folder that precompute wrote back beside "
        "the file."
    )
