"""Connections sum to one, point to features that are there, and are told of both their ends.

Takes a connection to the atlas, gives contradictions as sentences.
"""

from collections.abc import Iterator
from dataclasses import astuple

import numpy as np
from jaxtyping import Integer
from sqlalchemy import Connection, select

from app.db import schema
from app.db.checks.rows import address, n_indices
from app.db.stored.study import unpack_study
from app.db.study_records.connections import (
    Causes,
    Effects,
    FeatureConnections,
    PairConnections,
)

_OFF = 1e-3
"""Shares are stored in float32."""


def connection_problems(connection: Connection) -> Iterator[str]:
    """Of all pairs of dictionaries and all features that have connections."""
    saes = connection.execute(select(schema.sae)).all()
    sizes = {(row.model_id, row.sae): n_indices(row) for row in saes}
    for row in saes:
        name = address(row)
        for other in _pairs(connection, row.sae_id):
            total = other.features + sum(astuple(other.rest))
            if abs(total - 1) > _OFF:
                yield f"{name}: its shares from {other.below} to {other.above} sum to {total:.4g}."
        own = {sae: size for (model_id, sae), size in sizes.items() if model_id == row.model_id}
        for feature_index, found in _features(connection, row.sae_id):
            where = f"{name} feature {feature_index}"
            for causes in found.below:
                yield from _of_causes(where, causes, found.n_examples, own)
            for effects in found.above:
                yield from _of_effects(where, effects, own)


def _of_causes(where: str, causes: Causes, n: int, sizes: dict[str, int]) -> Iterator[str]:
    total = float(causes.share.sum()) + causes.positive + causes.negative
    total += sum(astuple(causes.rest))
    if abs(total - 1) > _OFF * max(1, *(abs(part) for part in astuple(causes.rest))):
        yield f"{where}: its connections to {causes.sae} sum to {total:.4g}, expected 1."
    if (np.diff(causes.share) > 0).any():
        yield f"{where}: its connections to {causes.sae} are out of order."
    if (causes.n_examples > n).any():
        yield f"{where}: a feature of {causes.sae} fires in more examples than the {n} there are."
    yield from _unknown(where, causes.sae, causes.feature_index, sizes)


def _of_effects(where: str, effects: Effects, sizes: dict[str, int]) -> Iterator[str]:
    if (np.diff(np.abs(effects.share)) > 0).any():
        yield f"{where}: what it feeds in {effects.sae} is out of order."
    if effects.n_found < len(effects.feature_index):
        yield (
            f"{where}: {len(effects.feature_index)} features of {effects.sae} are listed, of "
            f"{effects.n_found} there are."
        )
    yield from _unknown(where, effects.sae, effects.feature_index, sizes)


def _unknown(
    where: str, sae: str, feature_index: Integer[np.ndarray, " n"], sizes: dict[str, int]
) -> Iterator[str]:
    # A dictionary that was removed or built again since has no pair, and pages show nothing of it.
    if sae in sizes and (feature_index >= sizes[sae]).any():
        yield f"{where}: it is connected to feature {feature_index.max()}, which {sae} has not."


def _pairs(connection: Connection, sae_id: int) -> Iterator[PairConnections]:
    table = schema.study
    for blob in connection.scalars(
        select(table.c.record)
        .where(table.c.sae_id == sae_id, table.c.study == PairConnections.STUDY)
        .order_by(table.c.other_id)
    ):
        yield unpack_study(PairConnections, blob)


def _features(connection: Connection, sae_id: int) -> Iterator[tuple[int, FeatureConnections]]:
    table = schema.feature_study
    for row in connection.execute(
        select(table.c.feature_index, table.c.record)
        .where(table.c.sae_id == sae_id, table.c.study == FeatureConnections.STUDY)
        .order_by(table.c.feature_index)
    ):
        yield row.feature_index, unpack_study(FeatureConnections, row.record)
