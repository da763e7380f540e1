"""Rankings of tokens, the map of directions and the decoder rows are whole.

Takes a connection, gives contradictions as sentences.
"""

from collections.abc import Iterator

import numpy as np
from sqlalchemy import Connection, select

from app.db import schema
from app.db.checks.rows import address, n_indices
from app.db.directions import directions_problem
from app.db.stored.rankings import unpack_fires, unpack_rate, unpack_scores


def ranking_problems(connection: Connection) -> Iterator[str]:
    """Each token's features are of the dictionary, each once, strongest first, as many as said."""
    table = schema.token_ranking
    for sae in connection.execute(select(schema.sae)).all():
        rows = connection.execute(
            select(table).where(table.c.sae_id == sae.sae_id).order_by(table.c.token_id)
        )
        for row in rows:
            where = f"{address(sae)}, features of token {row.token_id}"
            try:
                found = [
                    (mode, unpack(blob), sign)
                    for mode, blob, unpack, sign in (
                        ("share", row.firings, unpack_fires, 1),
                        ("rate", row.firings, unpack_rate, 1),
                        ("promotes", row.promotes, unpack_scores, 1),
                        ("suppresses", row.suppresses, unpack_scores, -1),
                    )
                    if blob is not None
                ]
            except Exception as error:
                raise ValueError(f"the {where} are damaged") from error
            for mode, ranking, sign in found:
                index = ranking.feature_index
                if (index >= n_indices(sae)).any() or np.unique(index).size < index.size:
                    yield f"{where} by {mode}: one stands there twice or isn't of the dictionary."
                if (np.diff(sign * ranking.score) > 0).any():
                    yield f"{where} by {mode}: not in order."
                if index.size > ranking.n_total:
                    n = ranking.n_total
                    yield f"{where} by {mode}: {index.size} are listed, there are {n}."


def beside_problems(connection: Connection) -> Iterator[str]:
    """The map has a finite place for each feature; the file of decoder rows is what was written."""
    maps = schema.direction_map
    for sae in connection.execute(select(schema.sae)).all():
        blob = connection.scalar(select(maps.c.positions).where(maps.c.sae_id == sae.sae_id))
        if blob is not None:
            n, d_sae = len(blob) / 8, sae.record["d_sae"]
            if n != d_sae:
                yield f"{address(sae)}: its map has {n:g} places for {d_sae} features."
            elif not np.isfinite(np.frombuffer(blob, "<f4")).all():
                yield f"{address(sae)}: a feature has no place in its map."
        problem = directions_problem(connection, sae.sae_id)
        if problem:
            yield f"{address(sae)}: {problem[0].lower()}{problem[1:]}"
