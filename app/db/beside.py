"""The dictionaries that an atlas to be added to already holds: what a run can compare itself with.

Takes the place of the atlas; gives its dictionaries of a model, which features of one live, and
where its unit decoder rows are. Read-only; a file that is not there holds nothing.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float16
from numpy import ndarray
from sqlalchemy import Connection, select

from app.db import schema
from app.db.directions import all_directions
from app.db.engine import open_atlas


@dataclass(frozen=True)
class Beside:
    """One dictionary that was there before."""

    sae: str
    sae_id: int
    hook_name: str
    output_hook: str
    """the same, but for a transcoder"""
    d_out: int
    d_sae: int
    weights_hash: str
    rows_hash: str
    """of the file of its unit decoder rows; empty where there is none that can be read"""


def dictionaries_beside(atlas: Path, model: str, but: Collection[str]) -> list[Beside]:
    """Those of a model, in the order they were added, but those of these names."""
    if not atlas.exists():
        return []
    opened = open_atlas(atlas)
    try:
        with opened.connect() as connection:
            rows = connection.execute(
                select(schema.sae.c.sae_id, schema.sae.c.sae, schema.sae.c.record)
                .join(schema.model, schema.model.c.model_id == schema.sae.c.model_id)
                .where(schema.model.c.model == model)
                .order_by(schema.sae.c.sae_id)
            ).all()
            return [_beside(connection, row) for row in rows if row.sae not in but]
    finally:
        opened.close()


def directions_beside(
    atlas: Path, sae_id: int
) -> tuple[Float16[ndarray, "d_sae d_out"], Bool[ndarray, " d_sae"]] | None:
    """(unit decoder rows, which features fired) of a dictionary; None without rows."""
    opened = open_atlas(atlas)
    try:
        with opened.connect() as connection:
            rows = all_directions(connection, sae_id)
            table = schema.feature
            n_active = connection.scalars(
                select(table.c.n_active)
                .where(table.c.sae_id == sae_id)
                .order_by(table.c.feature_index)
            )
            return None if rows is None else (rows, np.array(n_active.all()) > 0)
    finally:
        opened.close()


def _beside(connection: Connection, row) -> Beside:
    found = connection.scalar(
        select(schema.decoder_file.c.hash).where(schema.decoder_file.c.sae_id == row.sae_id)
    )
    readable = found if found and all_directions(connection, row.sae_id) is not None else ""
    told = row.record
    return Beside(
        row.sae,
        row.sae_id,
        told["hook_name"],
        told.get("hook_name_out") or told["hook_name"],
        told.get("d_out") or told["d_in"],
        told["d_sae"],
        told["weights_hash"],
        rows_hash=readable,
    )
