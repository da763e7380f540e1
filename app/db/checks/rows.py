"""Every feature has its rows, and the bins of its histogram hold all of its firings.

Takes a connection, gives contradictions as sentences.
"""

from collections.abc import Iterator

import numpy as np
from sqlalchemy import Connection, Row, select

from app.db import schema
from app.db.records import FeaturePanels
from app.db.stored.panels import unpack_panels


def row_problems(connection: Connection) -> Iterator[str]:
    """One row of each table for each feature, numbered from 0; an import may have gaps."""
    saes = connection.execute(select(schema.sae)).all()
    if not saes:
        yield "it holds no dictionary."
    for row in saes:
        name, n = address(row), n_features(row)
        for table in (schema.feature, schema.feature_panel):
            found = np.array(
                connection.scalars(
                    select(table.c.feature_index)
                    .where(table.c.sae_id == row.sae_id)
                    .order_by(table.c.feature_index)
                ).all(),
                np.int64,
            )
            if found.size != n:
                yield (
                    f"{name} has {found.size} rows in {table.name}, expected one for each of "
                    f"{n} features."
                )
            elif n == n_indices(row) and (found != np.arange(n)).any():
                missing = np.setdiff1d(np.arange(n), found)
                yield f"{name} has no row in {table.name} for feature {missing[0]}."
            elif n and found[-1] != n_indices(row) - 1:
                yield f"{name} says its last feature is {n_indices(row) - 1}, it is {found[-1]}."


def histogram_problems(connection: Connection) -> Iterator[str]:
    """The counts of the activation histogram sum to `n_active`; an import's are its source's."""
    for sae, name, row, panels in each_feature(connection):
        if is_import(sae):
            continue
        total = 0 if panels.histogram is None else int(panels.histogram.counts.sum())
        if total != row.n_active:
            yield (
                f"{name} feature {row.feature_index}: its histogram sums to {total}, "
                f"n_active is {row.n_active}."
            )


def each_feature(
    connection: Connection,
) -> Iterator[tuple[Row, str, Row, FeaturePanels]]:
    """(dictionary, its address, the feature's row, its panels) of all features in order.

    Raises:
        ValueError: panels can't be read; says whose.
    """
    panel, feature = schema.feature_panel, schema.feature
    joined = (panel.c.sae_id == feature.c.sae_id) & (
        panel.c.feature_index == feature.c.feature_index
    )
    for sae in connection.execute(select(schema.sae)).all():
        name = address(sae)
        rows = connection.execute(
            select(feature, panel.c.panels)
            .join(panel, joined)
            .where(feature.c.sae_id == sae.sae_id)
            .order_by(feature.c.feature_index)
        )
        for row in rows:
            try:
                panels = unpack_panels(row.panels)
            except Exception as error:
                raise ValueError(
                    f"the panels of {name} feature {row.feature_index} are damaged"
                ) from error
            yield sae, name, row, panels


def is_import(sae: Row) -> bool:
    """Whether a dictionary was read from other tools' files, which promise less than the job."""
    return sae.record["imported"] is not None


def n_features(sae: Row) -> int:
    """Features the atlas should hold of a dictionary."""
    return sae.record["imported"]["n_features"] if is_import(sae) else sae.record["d_sae"]


def n_indices(sae: Row) -> int:
    """One more than the largest feature_index it should hold."""
    return sae.record["imported"]["n_indices"] if is_import(sae) else sae.record["d_sae"]


def address(sae: Row) -> str:
    """`model/sae`."""
    return f"{sae.record['model']}/{sae.sae}"
