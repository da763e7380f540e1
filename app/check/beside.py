"""Whether the events and contexts beside an atlas are those it was made from.

Takes a dictionary and the folder beside its atlas, gives contradictions as sentences. Sizes, counts
and contexts are compared for all, the events themselves for the sampled features.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sqlalchemy import Connection

from app.check.subject import Beside, Subject
from app.db.catalog import Sae
from app.db.examples import get_contexts
from app.db.tokens import most_frequent
from app.stats.corpus import Corpus
from app.stats.event_places import corpus_part, events_folder, sae_part
from app.stats.events import EventStore

CONTEXTS_AT_ONCE = 1_000


def open_beside(atlas: Path, sae: Sae) -> Beside:
    """The events of a dictionary and their contexts.

    Raises:
        AtlasError: they are missing or damaged.
    """
    folder, model = events_folder(atlas), sae.record.model
    store = EventStore.open(folder / sae_part(model, sae.record.sae))
    return Beside(store, Corpus.open(folder / corpus_part(model, sae.corpus.hash)))


def events_problems(connection: Connection, subject: Subject) -> Iterator[str]:
    """What of the events and contexts is not as the atlas says."""
    sae, beside = subject.sae, subject.beside
    assert beside is not None
    for problem in _misfits(sae, beside):
        yield f"{sae.address}: {problem}"
    if beside.store.d_sae == sae.record.d_sae:
        counted = beside.store.n_active()
        for index in np.flatnonzero(counted != subject.n_active).tolist():
            yield (
                f"{sae.address} feature {index}: the events hold {counted[index]} firings, "
                f"n_active is {subject.n_active[index]}."
            )
    yield from _other_contexts(connection, sae, beside)
    yield from _impossible_events(subject, beside)


def _misfits(sae: Sae, beside: Beside) -> Iterator[str]:
    store, corpus, record = beside.store, beside.corpus, sae.corpus
    for name, found, expected in (
        ("the events' d_sae", store.d_sae, sae.record.d_sae),
        ("the events' n_contexts", store.n_contexts, record.n_contexts),
        ("the events' context_size", store.context_size, record.context_size),
        ("the contexts' number", corpus.n_contexts, record.n_contexts),
        ("the contexts' size", corpus.context_size, record.context_size),
        ("the contexts' hash", corpus.metadata.get("hash"), record.hash),
        ("the contexts' N", corpus.n_tokens, record.n_tokens),
    ):
        if found != expected:
            yield f"{name} is {found}, the atlas says {expected}."


def _other_contexts(connection: Connection, sae: Sae, beside: Beside) -> Iterator[str]:
    """The tokens of stored contexts, and how often each token occurs."""
    corpus = beside.corpus
    expected = np.zeros(corpus.d_vocab, np.int64)
    for token_id, n in most_frequent(connection, sae.corpus_id, corpus.d_vocab):
        expected[token_id] = n
    different = np.flatnonzero(corpus.occurrences != expected)
    if different.size:
        first = int(different[0])
        yield (
            f"{sae.address}: token {first} occurs {corpus.occurrences[first]} times in the "
            f"contexts, the atlas says {expected[first]} ({different.size} tokens differ)."
        )
    for start in range(0, corpus.n_contexts, CONTEXTS_AT_ONCE):
        stop = min(start + CONTEXTS_AT_ONCE, corpus.n_contexts)
        for context_id, stored in get_contexts(
            connection, sae.corpus_id, range(start, stop)
        ).items():
            if not np.array_equal(stored.token_ids, corpus.tokens[context_id]):
                yield f"{sae.address}: context {context_id} has other tokens than the atlas stores."


def _impossible_events(subject: Subject, beside: Beside) -> Iterator[str]:
    store, corpus = beside.store, beside.corpus
    if store.d_sae != subject.sae.record.d_sae or store.n_contexts != corpus.n_contexts:
        return
    for index in subject.sample.tolist():
        (events,) = store.features(index, index + 1)
        where = f"{subject.sae.address} feature {index}"
        if not (np.isfinite(events.activation).all() and (events.activation > 0).all()):
            yield f"{where}: an event is not above zero."
        if (np.diff(events.places) <= 0).any():
            yield f"{where}: its events are not in order."
        if (events.places < 0).any() or (events.places >= corpus.tokens.size).any():
            yield f"{where}: an event lies outside the contexts."
        elif not corpus.flat_counted[events.places].all():
            yield f"{where}: an event lies on a token that isn't counted."
