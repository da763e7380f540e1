"""What search reads agrees with the tables it was made from.

Takes a connection, gives contradictions as sentences.
"""

from collections.abc import Iterator

from sqlalchemy import Connection, func, select

from app.db import schema
from app.db.checks.rows import address
from app.db.fulltext.queries import load_examples, load_text


def search_problems(connection: Connection) -> Iterator[str]:
    """Whether search knows the contexts and the examples there are."""
    for sae in connection.execute(select(schema.sae)).all():
        yield from _problems(connection, sae.sae_id, sae.corpus_id, address(sae))


def _problems(connection: Connection, sae_id: int, corpus_id: int, name: str) -> Iterator[str]:
    text = load_text(connection, corpus_id)
    n_contexts = connection.scalar(
        select(func.count())
        .select_from(schema.context)
        .where(schema.context.c.corpus_id == corpus_id)
    )
    if text.context_id.size != n_contexts:
        yield f"{name}: search knows {text.context_id.size} contexts, {n_contexts} are stored."
        return
    column = schema.feature.c
    last = connection.scalar(select(func.max(column.feature_index)).where(column.sae_id == sae_id))
    examples = load_examples(connection, sae_id, 0 if last is None else last + 1, text)
    if (examples.stop > text.n_tokens).any() or (examples.peak >= examples.stop).any():
        yield f"{name}: search knows examples outside their contexts."
