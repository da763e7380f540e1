"""What the study "combined" found agrees with the features' examples, columns and counts.

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
from app.db.study_records.combined import CombinedExample, CombinedStudy, FeatureCombined


def combined_problems(connection: Connection) -> Iterator[str]:
    """Examples taken apart are stored ones, pairs are symmetric and give column and counts."""
    for sae in connection.execute(select(schema.sae)).all():
        study = get_study(connection, CombinedStudy, sae.sae_id)
        if study is None:
            continue
        groups = dict(iterate_groups(connection, sae.sae_id, ("top", "interval")))
        columns = dict(_column(connection, sae))
        for index, share in columns.items():
            found = get_feature_study(connection, FeatureCombined, sae.sae_id, index)
            for problem in _problems(share, found, groups.get(index, {})):
                yield f"{address(sae)} feature {index}: {problem}"
        known = np.array([share for share in columns.values() if share is not None])
        for name, n, counted in (
            ("alternatives", int((known <= -study.strong).sum()), study.n_alternative),
            ("conjunctions", int((known >= study.strong).sum()), study.n_conjunction),
        ):
            if n != counted:
                yield f"{address(sae)}: {counted} features are {name}, its columns say {n}."


def _column(connection: Connection, sae: Row) -> list[tuple[int, float | None]]:
    table = schema.feature
    rows = connection.execute(
        select(table.c.feature_index, table.c.pair_interaction)
        .where(table.c.sae_id == sae.sae_id)
        .order_by(table.c.feature_index)
    )
    return [(row.feature_index, row.pair_interaction) for row in rows]


def _problems(
    share: float | None, found: FeatureCombined | None, groups: dict[Any, Any]
) -> Iterator[str]:
    strongest: list[float] = []
    for example in [] if found is None else found.examples:
        name = f"{example.group}-{example.rank + 1}"
        if example.group not in groups or example.rank >= groups[example.group].position.size:
            yield f"{name} was taken apart, which it doesn't have."
        if not np.allclose(example.interactions, example.interactions.T):
            yield f"the pairs of {name} are not symmetric."
        strongest += _strongest(example)
    mean = float(np.mean(strongest)) if strongest else None
    same = mean is share if mean is None or share is None else np.isclose(mean, share, rtol=1e-4)
    if not same:
        yield f"its pair_interaction is {share}, its examples give {mean}."


def _strongest(example: CombinedExample) -> list[float]:
    """The interaction of the strongest pair; none where there is no pair."""
    rows, columns = np.triu_indices(len(example.interactions), k=1)
    if not rows.size or not example.hidden_pre_baseline:
        return []
    values = example.interactions[rows, columns].astype(np.float64)
    most = values[np.argmax(np.abs(values))]
    return [float(most / abs(example.hidden_pre_baseline))]
