"""The event files of an invented atlas, as precompute would have shipped them beside it.

Takes the text and each dictionary's firings; writes the files that `app.stats` reads. Knows no
record of the atlas.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from app.demo.synthetic.firings import Firings
from app.demo.synthetic.text import BOS, SyntheticText
from app.stats.corpus import Corpus, write_corpus
from app.stats.event_places import corpus_part, events_folder, sae_part
from app.stats.event_writer import write_manifest, write_shard

_CONTEXTS_PER_SHARD = 40
"""Few, so that even a small corpus has several shards."""


def write_contexts(atlas: Path, model: str, corpus_hash: str, text: SyntheticText) -> None:
    """The contexts every dictionary of the atlas was counted over."""
    write_corpus(
        events_folder(atlas) / corpus_part(model, corpus_hash), corpus_of(text, corpus_hash)
    )


def corpus_of(text: SyntheticText, corpus_hash: str) -> Corpus:
    """The text as statistics read it."""
    counted = text.token_ids != BOS
    counted[:, 0] = False
    return Corpus(
        text.token_ids.astype(np.uint16),
        counted,
        text.document_ids.astype(np.int32),
        len(text.tokens),
        list(text.documents),
        {"hash": corpus_hash, "name": "invented lines"},
    )


def write_events(
    atlas: Path, model: str, sae: str, text: SyntheticText, firings: Sequence[Firings]
) -> None:
    """Every firing of one dictionary; `firings` has one item for each feature, in order."""
    folder = events_folder(atlas) / sae_part(model, sae)
    folder.mkdir(parents=True, exist_ok=True)
    n_contexts, context_size = text.token_ids.shape
    write_manifest(
        folder,
        d_sae=len(firings),
        context_size=context_size,
        contexts_per_shard=_CONTEXTS_PER_SHARD,
        n_contexts=n_contexts,
    )
    feature = np.repeat(np.arange(len(firings)), [f.n_active for f in firings])
    context_id = np.concatenate([f.context_id for f in firings])
    position = np.concatenate([f.position for f in firings])
    activation = np.concatenate([f.activation for f in firings]).astype(np.float32)
    for index, first in enumerate(range(0, n_contexts, _CONTEXTS_PER_SHARD)):
        here = (context_id >= first) & (context_id < first + _CONTEXTS_PER_SHARD)
        place = (context_id[here] - first) * context_size + position[here]
        write_shard(
            folder,
            index,
            feature[here].astype(np.uint32),
            place.astype(np.uint32),
            activation[here],
            len(firings),
        )
