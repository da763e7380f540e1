"""Queries over the features of one dictionary: one, a page of a sorted list, their panels.

Every list is answered from an index: features without a value come last in either direction (a
second query), ties go to the lower feature_index. Knows no page and no address.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, get_type_hints

import numpy as np
from sqlalchemy import ColumnElement, Connection, Row, UnaryExpression, func, or_, select
from sqlalchemy.sql.operators import custom_op

from app.db import codec, schema
from app.db.cursor import decode_cursor, encode_cursor
from app.db.records import FeaturePanels, FeatureRecord

_feature = schema.feature


@dataclass(frozen=True)
class Range:
    """An inclusive range filter on one sortable column; None leaves a side open."""

    column: str
    low: float | None
    high: float | None


@dataclass(frozen=True)
class FeatureQuery:
    """Which features of a dictionary, in which order, how many at a time."""

    sort: str = "feature_index"
    """a column of `schema.SORTABLE` or feature_index"""
    descending: bool = False
    ranges: tuple[Range, ...] = ()
    dead: bool | None = None
    """True: only features that never fired; False: only those that did"""
    top_token_ids: tuple[int, ...] | None = None
    """only features whose strongest token is one of these"""
    size: int = 50
    next: str | None = None
    """token of `FeaturePage.next`"""

    def identity(self) -> list[Any]:
        """What a `next` token is bound to: everything but the place and the page's size."""
        ranges = [[item.column, item.low, item.high] for item in self.ranges]
        tokens = None if self.top_token_ids is None else list(self.top_token_ids)
        return [self.sort, self.descending, ranges, self.dead, tokens]


@dataclass(frozen=True)
class FeaturePage:
    """One page of a list."""

    features: list[FeatureRecord]
    n_matching: int
    next: str | None


def get_feature(connection: Connection, sae_id: int, feature_index: int) -> FeatureRecord | None:
    """One feature's scalars, or None where there is no such feature."""
    row = connection.execute(
        select(_feature).where(
            _feature.c.sae_id == sae_id, _feature.c.feature_index == feature_index
        )
    ).one_or_none()
    return None if row is None else _record(row)


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


def list_feature_indices(connection: Connection, sae_id: int) -> list[int]:
    """Every feature_index of a dictionary, ascending."""
    rows = connection.scalars(
        select(_feature.c.feature_index)
        .where(_feature.c.sae_id == sae_id)
        .order_by(_feature.c.feature_index)
    )
    return list(rows)


def short_forms(
    connection: Connection, sae_id: int, feature_indices: Iterable[int]
) -> dict[int, list[list[str]]]:
    """The short forms of the features asked for, by index; unknown indices are absent."""
    rows = connection.execute(
        select(_feature.c.feature_index, _feature.c.short).where(
            _feature.c.sae_id == sae_id, _feature.c.feature_index.in_(set(feature_indices))
        )
    )
    return {row.feature_index: row.short for row in rows}


def get_panels(connection: Connection, sae_id: int, feature_index: int) -> FeaturePanels:
    """All packed panels of a feature that exists."""
    table = schema.feature_panel
    row = connection.execute(
        select(table).where(table.c.sae_id == sae_id, table.c.feature_index == feature_index)
    ).one()
    kinds = get_type_hints(FeaturePanels)
    return FeaturePanels(
        **{
            field.name: None
            if getattr(row, field.name) is None
            else codec.unpack(kinds[field.name].__args__[0], getattr(row, field.name))
            for field in fields(FeaturePanels)
        }
    )


def list_features(connection: Connection, sae_id: int, query: FeatureQuery) -> FeaturePage:
    """One page of the list a query describes.

    Raises:
        BadCursor: `query.next` is damaged or belongs to another list.
    """
    conditions = [_feature.c.sae_id == sae_id, *_filters(query)]
    n_matching = connection.scalar(select(func.count()).select_from(_feature).where(*conditions))
    place = None if query.next is None else decode_cursor(query.next, query.identity())
    indices = _indices_after(connection, sae_id, query, place)
    found = get_features(connection, sae_id, indices[: query.size])
    features = [found[index] for index in indices[: query.size]]
    token = None
    if len(indices) > query.size:
        last = features[-1]
        token = encode_cursor([getattr(last, query.sort), last.feature_index], query.identity())
    return FeaturePage(features, int(n_matching or 0), token)


def smallest_above_zero(connection: Connection, sae_id: int, column: str) -> float | None:
    """The smallest positive value of a sortable column, or None."""
    value = _feature.c[column]
    return connection.scalar(
        select(value).where(_feature.c.sae_id == sae_id, value > 0).order_by(value).limit(1)
    )


def counts_between(
    connection: Connection, sae_id: int, column: str, edges: Sequence[float]
) -> list[int]:
    """Features with a value of a sortable column in each (edges[i], edges[i+1]]."""
    value = _feature.c[column]
    counts = [
        select(func.count())
        .select_from(_feature)
        .where(_feature.c.sae_id == sae_id, value > low, value <= high)
        .scalar_subquery()
        for low, high in pairwise(edges)
    ]
    return list(connection.execute(select(*counts)).one()) if counts else []


def random_living_feature(connection: Connection, sae_id: int, draw: float) -> int | None:
    """The feature at the place `draw` (0 ≤ draw < 1) among those that fired; None if none did."""
    living = [_feature.c.sae_id == sae_id, _feature.c.density > 0]
    n_living = connection.scalar(select(func.count()).select_from(_feature).where(*living)) or 0
    return connection.scalar(
        select(_feature.c.feature_index)
        .where(*living)
        .order_by(_feature.c.density, _feature.c.feature_index)
        .limit(1)
        .offset(int(draw * n_living))
    )


def column_values(
    connection: Connection, sae_id: int, columns: Sequence[str]
) -> dict[str, np.ndarray]:
    """Columns over the whole dictionary in order of feature_index, float64, NaN where missing."""
    rows = connection.execute(
        select(*(_feature.c[name] for name in columns))
        .where(_feature.c.sae_id == sae_id)
        .order_by(_feature.c.feature_index)
    ).all()
    table = np.array([tuple(row) for row in rows], dtype=np.float64).reshape(-1, len(columns))
    return {name: table[:, i] for i, name in enumerate(columns)}


def _filters(query: FeatureQuery, walked: bool = False) -> list[ColumnElement[bool]]:
    """The conditions of a query; `walked` keeps filters from choosing the index of another column
    than the one the list is sorted by."""

    def column_of(name: str) -> ColumnElement[Any]:
        column = _feature.c[name]
        return _unindexed(column) if walked and name != query.sort else column

    conditions: list[ColumnElement[bool]] = []
    for item in query.ranges:
        column = column_of(item.column)
        if item.low is not None:
            conditions.append(column >= item.low)
        if item.high is not None:
            conditions.append(column <= item.high)
    if query.dead is not None:
        density = column_of("density")
        conditions.append(density == 0 if query.dead else density > 0)
    if query.top_token_ids is not None:
        conditions.append(column_of("top_token_id").in_(query.top_token_ids))
    return conditions


def _unindexed(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """SQLite's unary plus: the same value, but no reason to look for an index."""
    return UnaryExpression(column, operator=custom_op("+"), type_=column.type)


def _indices_after(
    connection: Connection, sae_id: int, query: FeatureQuery, place: list[Any] | None
) -> list[int]:
    """Up to size + 1 features: first those with a value in order, then those without."""
    column, index = _feature.c[query.sort], _feature.c.feature_index
    conditions = [_feature.c.sae_id == sae_id, *_filters(query, walked=True)]
    limit = query.size + 1
    found: list[int] = []
    if place is None or place[0] is not None:
        after = [] if place is None else _beyond(column, index, query.descending, place)
        order = column.desc() if query.descending else column.asc()
        ordering = [order] if query.sort == "feature_index" else [order, index.asc()]
        found += connection.scalars(
            select(index)
            .where(*conditions, column.is_not(None), *after)
            .order_by(*ordering)
            .limit(limit)
        ).all()
        place = None
    if len(found) < limit and query.sort != "feature_index":
        after = [] if place is None else [index > place[1]]
        found += connection.scalars(
            select(index)
            .where(*conditions, column.is_(None), *after)
            .order_by(index.asc())
            .limit(limit - len(found))
        ).all()
    return found


def _beyond(
    column: ColumnElement[Any], index: ColumnElement[int], descending: bool, place: list[Any]
) -> list[ColumnElement[bool]]:
    """What lies after a place; the first condition alone is what the index can start from."""
    value, feature_index = place
    if descending:
        return [column <= value, or_(column < value, index > feature_index)]
    return [column >= value, or_(column > value, index > feature_index)]


def _record(row: Row[Any]) -> FeatureRecord:
    values = row._mapping
    return FeatureRecord(**{field.name: values[field.name] for field in fields(FeatureRecord)})
