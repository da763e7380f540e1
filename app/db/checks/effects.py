"""What the study "effects" found agrees with the features' examples and columns.

Takes a connection, gives contradictions as sentences.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, select

from app.db import schema
from app.db.checks.rows import address
from app.db.examples import iterate_groups
from app.db.studies import get_feature_study, get_study
from app.db.study_records.effects import EffectsStudy, FeatureEffects

_HALF = 2e-3
"""By how much numbers kept in half precision may be off."""


def effect_problems(connection: Connection) -> Iterator[str]:
    """Removed firings are stored examples, weigh one together and give the columns."""
    for sae in connection.execute(select(schema.sae)).all():
        if get_study(connection, EffectsStudy, sae.sae_id) is None:
            continue
        groups = dict(iterate_groups(connection, sae.sae_id, ("top", "quantile")))
        for row in _rows(connection, sae):
            found = get_feature_study(connection, FeatureEffects, sae.sae_id, row.feature_index)
            for problem in _problems(row, found, groups.get(row.feature_index, {})):
                yield f"{address(sae)} feature {row.feature_index}: {problem}"


def _rows(connection: Connection, sae: Row) -> list[Row]:
    table = schema.feature
    return list(
        connection.execute(
            select(table.c.feature_index, table.c.n_active, table.c.delta_ce, table.c.kl)
            .where(table.c.sae_id == sae.sae_id)
            .order_by(table.c.feature_index)
        ).all()
    )


def _problems(row: Row, found: FeatureEffects | None, groups: dict[Any, Any]) -> Iterator[str]:
    if (found is not None) != (row.n_active > 0):
        is_there = "was removed somewhere" if found is not None else "was removed nowhere"
        yield f"n_active is {row.n_active}, but it {is_there}."
    if found is None:
        return
    for group, rank in (("quantile", found.sample_rank), ("top", found.top_rank)):
        n = groups[group].position.size if group in groups else 0
        if rank.size and rank.max() >= n:
            yield f"it was removed at {group}-{rank.max() + 1}, but has {n} such examples."
    if not np.isclose(found.weight.sum(), 1, atol=1e-4):
        yield f"its drawn firings weigh {found.weight.sum():.4f} together."
    if (found.kl < 0).any():
        yield "a KL is below zero."
    for name, values in (("delta_ce", found.delta_ce[:, 0]), ("kl", found.kl)):
        mean, stored = _mean(values, found.weight), getattr(row, name)
        if (mean is None) != (stored is None) or (
            mean is not None and not np.isclose(mean, stored, rtol=_HALF, atol=1e-6)
        ):
            yield f"its {name} is {stored}, its firings give {mean}."


def _mean(values: np.ndarray, weight: np.ndarray) -> float | None:
    known = np.isfinite(values) & (weight > 0)
    if not known.any():
        return None
    return float(np.average(values[known].astype(np.float64), weights=weight[known]))
