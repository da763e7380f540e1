"""The stored map of a dictionary's decoder directions. Read-only; knows no page."""

import numpy as np
from sqlalchemy import Connection, select

from app.db import schema
from app.db.records import DirectionMap


def has_direction_map(connection: Connection, sae_id: int) -> bool:
    """Whether there is one, without reading it."""
    table = schema.direction_map
    return connection.scalar(select(table.c.sae_id).where(table.c.sae_id == sae_id)) is not None


def get_direction_map(connection: Connection, sae_id: int) -> DirectionMap | None:
    """The map; None where the job was told to make none."""
    table = schema.direction_map
    row = connection.execute(select(table).where(table.c.sae_id == sae_id)).one_or_none()
    if row is None:
        return None
    positions = np.frombuffer(row.positions, dtype="<f4").astype(np.float32).reshape(-1, 2)
    return DirectionMap(row.method, positions)
