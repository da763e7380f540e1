"""The stored decoder directions of a dictionary: unit rows, looked up one feature at a time.

Stored in blocks, so that a pair is read without its whole dictionary. Read-only; knows no page.
"""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float32
from numpy import ndarray
from sqlalchemy import Connection, inspect, select

from app.db import schema

ROWS_PER_BLOCK = 256
"""Features in one stored block: block b holds those from 256·b on."""


def get_directions(
    connection: Connection, sae_id: int, d_in: int, feature_indices: Iterable[int]
) -> dict[int, Float32[ndarray, " d_in"]]:
    """Unit decoder rows by feature, rounded to float16 when they were stored.

    Empty where the dictionary was too large to keep them, or the atlas is older than they are. A
    cosine of two of them is off by less than 0.001.
    """
    table = schema.decoder_block
    if not inspect(connection).has_table(table.name):
        return {}
    wanted = sorted(set(feature_indices))
    rows = connection.execute(
        select(table.c.block, table.c.rows).where(
            table.c.sae_id == sae_id,
            table.c.block.in_({index // ROWS_PER_BLOCK for index in wanted}),
        )
    )
    blocks = {row.block: np.frombuffer(row.rows, dtype="<f2").reshape(-1, d_in) for row in rows}
    return {
        index: blocks[index // ROWS_PER_BLOCK][index % ROWS_PER_BLOCK].astype(np.float32)
        for index in wanted
        if index // ROWS_PER_BLOCK in blocks
    }
