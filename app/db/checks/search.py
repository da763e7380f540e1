"""What search reads agrees with the tables it was made from.

Takes a connection, gives contradictions as sentences.
"""

from collections.abc import Iterator

import numpy as np
from sqlalchemy import Connection, func, select

from app.db import schema
from app.db.checks.rows import address
from app.db.fulltext.queries import example_places, load_layout


def search_problems(connection: Connection) -> Iterator[str]:
    """Whether search knows the contexts and the examples there are."""
    for sae in connection.execute(select(schema.sae)).all():
        yield from _problems(connection, sae.sae_id, sae.corpus_id, address(sae))


def _problems(connection: Connection, sae_id: int, corpus_id: int, name: str) -> Iterator[str]:
    layout = load_layout(connection, corpus_id)
    n_contexts = connection.scalar(
        select(func.count())
        .select_from(schema.context)
        .where(schema.context.c.corpus_id == corpus_id)
    )
    if layout.context_id.size != n_contexts:
        yield f"{name}: search knows {layout.context_id.size} contexts, {n_contexts} are stored."
        return
    for _, places in example_places(connection, sae_id):
        stop = places.position + places.after
        held = (places.before <= places.position) & (places.after > 0)
        held &= (stop <= layout.context_size) & np.isin(places.context_id, layout.context_id)
        if not held.all():
            yield f"{name}: search knows examples outside their contexts."
            return
