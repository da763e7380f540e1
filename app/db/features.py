"""Queries over the features of one dictionary: one, several by index, their panels, whole columns.

Each is answered along the primary key; lists are made in memory (`columns.py`). Knows no page and
no address.
"""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, bindparam, select

from app.db import schema
from app.db.catalog import Sae
from app.db.records import FeaturePanels, FeatureRecord
from app.db.stored.panels import unpack_panels

_feature = schema.feature

# Made once: the making of a statement takes longer than its answer.
_ONE = select(_feature).where(
    _feature.c.sae_id == bindparam("sae"), _feature.c.feature_index == bindparam("index")
)
_PANELS = select(schema.feature_panel.c.panels).where(
    schema.feature_panel.c.sae_id == bindparam("sae"),
    schema.feature_panel.c.feature_index == bindparam("index"),
)
_SHORT_FORMS = select(_feature.c.feature_index, _feature.c.short).where(
    _feature.c.sae_id == bindparam("sae"),
    _feature.c.feature_index.in_(bindparam("indices", expanding=True)),
)


def get_feature(connection: Connection, sae_id: int, feature_index: int) -> FeatureRecord | None:
    """One feature's scalars, or None where there is no such feature."""
    row = connection.execute(_ONE, {"sae": sae_id, "index": feature_index}).one_or_none()
    return None if row is None else _record(row)


def has_feature(connection: Connection, sae: Sae, feature_index: int) -> bool:
    """Whether the atlas holds a feature: of an import perhaps not every number."""
    if not 0 <= feature_index < sae.record.n_indices:
        return False
    return not sae.record.has_gaps or (
        connection.execute(_ONE, {"sae": sae.sae_id, "index": feature_index}).first() is not None
    )


def get_features(
    connection: Connection, sae_id: int, feature_indices: Iterable[int]
) -> dict[int, FeatureRecord]:
    """The features asked for by index; unknown indices are absent."""
    wanted = set(feature_indices)
    if not wanted:
        return {}
    rows = connection.execute(
        select(_feature).where(_feature.c.sae_id == sae_id, _feature.c.feature_index.in_(wanted))
    )
    return {row.feature_index: _record(row) for row in rows}


def short_forms(
    connection: Connection, sae_id: int, feature_indices: Iterable[int]
) -> dict[int, list[list[str]]]:
    """The short forms of the features asked for, by index; unknown indices are absent."""
    wanted = sorted(set(feature_indices))
    rows = connection.execute(_SHORT_FORMS, {"sae": sae_id, "indices": wanted})
    return {row.feature_index: row.short for row in rows}


def get_panels(connection: Connection, sae_id: int, feature_index: int) -> FeaturePanels:
    """All packed panels of a feature that exists."""
    blob = connection.execute(_PANELS, {"sae": sae_id, "index": feature_index}).scalar_one()
    return unpack_panels(blob)


def column_values(
    connection: Connection, sae_id: int, columns: Sequence[str]
) -> dict[str, np.ndarray]:
    """Columns over the whole dictionary in order of feature_index, float64, NaN where missing.

    Reads every row of the dictionary: `columns.read_columns`, kept by the server, serves pages.
    """
    rows = connection.execute(
        select(*(_feature.c[name] for name in columns))
        .where(_feature.c.sae_id == sae_id)
        .order_by(_feature.c.feature_index)
    ).all()
    table = np.array([tuple(row) for row in rows], dtype=np.float64).reshape(-1, len(columns))
    return dict(zip(columns, np.ascontiguousarray(table.T), strict=True))


def _record(row: Row[Any]) -> FeatureRecord:
    values = row._mapping
    return FeatureRecord(**{field.name: values[field.name] for field in fields(FeatureRecord)})
