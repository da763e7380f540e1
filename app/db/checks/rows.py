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
    """One row of each table for each feature, numbered from 0."""
    saes = connection.execute(select(schema.sae)).all()
    if not saes:
        yield "it holds no dictionary."
    for row in saes:
        name, d_sae = address(row), row.record["d_sae"]
        for table in (schema.feature, schema.feature_panel):
            found = np.array(
                connection.scalars(
                    select(table.c.feature_index)
                    .where(table.c.sae_id == row.sae_id)
                    .order_by(table.c.feature_index)
                ).all(),
                np.int64,
            )
            if found.size != d_sae:
                yield (
                    f"{name} has {found.size} rows in {table.name}, expected one for each of "
                    f"{d_sae} features."
                )
            elif (found != np.arange(d_sae)).any():
                missing = np.setdiff1d(np.arange(d_sae), found)
                yield f"{name} has no row in {table.name} for feature {missing[0]}."


def histogram_problems(connection: Connection) -> Iterator[str]:
    """The counts of the activation histogram sum to `n_active`."""
    for _, name, row, panels in each_feature(connection):
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


def address(sae: Row) -> str:
    """`model/sae`."""
    return f"{sae.record['model']}/{sae.sae}"
