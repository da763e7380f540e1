"""One context as the events have it: its tokens, every firing on them, how each is reconstructed.

Takes a dictionary and the row of a context; reads the event files, or the stored text alone where
they are missing. Knows no page.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.examples import get_contexts, get_groups
from app.db.records import TokenRecord
from app.evidence.event_files import SaeEvents, missing_sentence
from app.stats.reconstruction import read_squares
from app.web.memory import Memory


@dataclass(frozen=True)
class MeasuredContext:
    """Tokens, and what fires where: parallel arrays, by feature, then position."""

    tokens: list[TokenRecord]
    counted: list[bool]
    documents: list[int]
    """row of the document list per token; -1 for none"""
    feature: Integer[ndarray, " n"]
    position: Integer[ndarray, " n"]
    activation: Float[ndarray, " n"]
    error: Float[ndarray, " context_size"] | None
    """‖x − x̂‖ / ‖x‖; NaN where not counted"""

    @property
    def counts(self) -> Float[ndarray, " context_size"]:
        """Features that fire on each token."""
        return np.bincount(self.position, minlength=len(self.tokens)).astype(np.float64)

    def along(self, feature_index: int) -> Float[ndarray, " context_size"]:
        """One feature's activation on each token."""
        values = np.zeros(len(self.tokens))
        here = self.feature == feature_index
        values[self.position[here]] = self.activation[here]
        return values


def read_context(
    connection: Connection, sae: Sae, context_id: int, events: SaeEvents | None, memory: Memory
) -> MeasuredContext:
    """Reads one context that the corpus has.

    Raises:
        LookupError: the event files are missing and the atlas doesn't store this context; the
            message is a sentence.
    """
    none = np.zeros(0, np.int64)
    if events is None:
        stored = get_contexts(connection, sae.corpus_id, [context_id])
        if context_id not in stored:
            raise LookupError(
                f"Context {context_id} isn't among those the atlas stores, which are the contexts "
                f"its examples come from. {missing_sentence(memory.atlas, sae)}"
            )
        token_ids = stored[context_id].token_ids.tolist()
        documents = stored[context_id].document_ids.tolist()
        records = memory.tokens(connection, sae.model_id, token_ids)
        tokens = [records[i] for i in token_ids]
        counted = [not token.special for token in tokens]
        if sae.corpus.first_position == 0:
            counted[0] = False
        return MeasuredContext(tokens, counted, documents, none, none, np.zeros(0), None)
    corpus, store = events.corpus, events.store
    token_ids = corpus.tokens[context_id].tolist()
    records = memory.tokens(connection, sae.model_id, token_ids)
    squares = read_squares(store.folder, context_id, store.contexts_per_shard)
    return MeasuredContext(
        [records[i] for i in token_ids],
        corpus.counted[context_id].tolist(),
        corpus.document_ids[context_id].tolist(),
        *store.context(context_id),
        None if squares is None else np.sqrt(squares[:, 0] / np.maximum(squares[:, 1], 1e-30)),
    )


def with_stored_firings(
    connection: Connection,
    sae: Sae,
    context_id: int,
    feature_index: int,
    measured: MeasuredContext,
) -> MeasuredContext:
    """The same with one feature's firings, where one of its examples lies in the context."""
    for group, _ in get_groups(connection, sae.sae_id, feature_index).values():
        rows = np.flatnonzero(group.context_id == context_id)
        if rows.size:
            inside = slice(int(group.firing_indptr[rows[0]]), int(group.firing_indptr[rows[0] + 1]))
            position = group.firing_position[inside].astype(np.int64)
            return replace(
                measured,
                feature=np.full(position.size, feature_index),
                position=position,
                activation=group.firing_activation[inside],
            )
    return measured
